#pragma once

#include <absl/status/statusor.h>
#include <memory>
#include <string>

#include <muster/vcpu/kvm/fd.h>
#include <muster/vmm/serial/client_source.h>

namespace muster::vmm {

// A pseudoterminal: whoever opens the slave is a client.
class Pty : public ClientSource {
 public:
  // An error names what the host refused.
  static absl::StatusOr<std::unique_ptr<Pty>> Create();

  // The slave's, like /dev/pts/3.
  const std::string& name() const { return name_; }

  int fd() const override { return opened_.get(); }
  int Take() override;
  void Gone(int) override {}
  void Drain(int client, int hurry_fd) override;

 private:
  Pty() = default;
  absl::Status Open();
  vcpu::Fd Slave() const;  // another descriptor of it

  vcpu::Fd master_;
  vcpu::Fd opened_;  // inotify, for opens of the slave: the master does not tell of them
  std::string name_;
};

}  // namespace muster::vmm
