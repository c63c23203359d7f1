// CPUs that are started, and started again.

#include "snippet.inc"

SNIPPET ap_says_hello
    ENABLE_APIC
    SAY 0x20, 1
    STOP
END ap_says_hello

SNIPPET start_one
    START 1
    SAY 0x10, 1
    STOP
END start_one

SNIPPET start_all_at_once
    SEND 0xc4500
    SEND 0xc4608
    SAY 0x10, 1
    STOP
END start_all_at_once

SNIPPET start_300
    START 300
    STOP
END start_300

SNIPPET sipi_to_running
    sti
    START 1
1:  cmpb $0, 0x500
    je 1b
    SEND 0x4608, 1
    SEND 0x4608, 1
    movb $1, 0x501
    SAY 0x10, 1
    STOP
END sipi_to_running

SNIPPET ap_waits_for_word
    sti
    movb $1, 0x500
    SAY 0x20, 1
1:  cmpb $0, 0x501
    je 1b
    SAY 0x20, 2
    STOP
END ap_waits_for_word
