#pragma once

#include <cstdint>
#include <functional>

#include <muster/vmm/device/debug_console.h>
#include <muster/vmm/device/debug_exit.h>
#include <muster/vmm/device/fw_cfg.h>
#include <muster/vmm/device/idle_flusher.h>
#include <muster/vmm/device/line_buffer.h>
#include <muster/vmm/device/output_fd.h>
#include <muster/vmm/device/port_bus.h>
#include <muster/vmm/device/power_off.h>
#include <muster/vmm/device/reset_ports.h>
#include <muster/vmm/device/run_control.h>
#include <muster/vmm/device/uart.h>

namespace muster::vmm {

// Everything behind the I/O ports of one machine, and where its output goes.
class PcDevices {
 public:
  PcDevices(RunControl& control, int output_fd, uint64_t ram_bytes, int cpus);

  PortBus& ports() { return ports_; }

  // Between Start and Stop unfinished lines come out by themselves. Stop puts out the rest.
  void Start() { flusher_.Start(); }
  void Stop() { flusher_.Stop(); }

  // See OutputFd::Hurry.
  void HurryOutput() { output_.Hurry(); }

 private:
  OutputFd output_;
  IdleFlusher flusher_;
  LineBuffer serial_line_;
  LineBuffer debug_line_;
  Uart com1_;
  DebugConsole debug_console_;
  DebugExit debug_exit_;
  PowerOff power_off_;
  KeyboardReset keyboard_reset_;
  SystemControlA system_control_;
  ResetControl reset_control_;
  FwCfg fw_cfg_;
  PortBus ports_;
};

}  // namespace muster::vmm
