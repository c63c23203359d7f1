#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace muster::vmm::aml {

// Encodings of the few terms of the ACPI Machine Language that a description of fixed devices
// takes: ACPI Specification, "ACPI Machine Language (AML) Specification". Names are segments of 4
// characters, those of the names below \ with that in front.
using Term = std::vector<uint8_t>;

Term Integer(uint32_t value);
// "PNP0501": three letters and four hexadecimal digits, as EisaId() of ASL packs them.
Term EisaId(std::string_view id);
Term Buffer(const Term& bytes);
Term Package(const std::vector<Term>& elements);
Term Name(std::string_view name, const Term& value);
Term Scope(std::string_view name, const std::vector<Term>& terms);
Term Device(std::string_view name, const std::vector<Term>& terms);

// Resource descriptors, for ResourceTemplate: "ACPI Resource Data Types".
Term Io(uint16_t first, uint8_t count);  // these ports, decoded by 16 bits
Term Irq(unsigned line);                 // edge-triggered, active high, not shared
Term ResourceTemplate(const std::vector<Term>& descriptors);

}  // namespace muster::vmm::aml
