#include <muster/vmm/machine/pc_devices.h>

namespace muster::vmm {

PcDevices::PcDevices(RunControl& control, int output_fd, uint64_t ram_bytes, int cpus)
    : output_(output_fd,
              [&control](const std::string& why) {
                control.End({.kind = Ending::Kind::kHostFailure,
                             .detail = "writing the guest's output to stdout: " + why});
              }),
      serial_line_(output_, [this] { flusher_.Announce(); }),
      debug_line_(output_, [this] { flusher_.Announce(); }),
      com1_(serial_line_),
      debug_console_(debug_line_),
      debug_exit_(control),
      power_off_(control),
      keyboard_reset_(control),
      system_control_(control),
      reset_control_(control),
      fw_cfg_(ram_bytes, static_cast<uint16_t>(cpus)) {
  flusher_.Watch(serial_line_);
  flusher_.Watch(debug_line_);

  using Width = PortBus::Width;
  ports_.Attach(Uart::kCom1, Uart::kPorts, Width::kBytes, com1_);
  ports_.Attach(DebugConsole::kPort, 1, Width::kBytes, debug_console_);
  ports_.Attach(DebugExit::kPort, DebugExit::kPorts, Width::kNative, debug_exit_);
  ports_.Attach(PowerOff::kPort, PowerOff::kPorts, Width::kNative, power_off_);
  ports_.Attach(KeyboardReset::kPort, 1, Width::kBytes, keyboard_reset_);
  ports_.Attach(SystemControlA::kPort, 1, Width::kBytes, system_control_);
  ports_.Attach(ResetControl::kPort, 1, Width::kBytes, reset_control_);
  ports_.Attach(FwCfg::kPort, FwCfg::kPorts, Width::kNative, fw_cfg_);
}

}  // namespace muster::vmm
