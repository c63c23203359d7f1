#include <muster/vmm/machine/pc_devices.h>

namespace muster::vmm {

PcDevices::PcDevices(RunControl& control, IrqSink& pins, const Timers& timers, SerialPeer& serial,
                     const GuestMemory& memory, int cpus)
    : control_(control),
      serial_(serial),
      serial_line_(serial, [this] { flusher_.Announce(); }),
      debug_line_(serial, [this] { flusher_.Announce(); }),
      pics_(pins),
      lines_(pics_, pins),
      pit_(lines_, timers.pit),
      system_control_b_(pit_),
      pm_timer_(timers.pit),
      com1_(serial_line_, lines_),
      debug_console_(debug_line_),
      debug_exit_(control),
      power_off_(control),
      i8042_(control, lines_),
      system_control_(control),
      reset_control_(control),
      bochs_shutdown_(control),
      fw_cfg_(memory.size(), static_cast<uint16_t>(cpus)),
      rtc_(lines_, timers.rtc),
      cmos_(rtc_, memory.low_end(), memory.size() - memory.low_end()),
      test_lines_(lines_) {
  flusher_.Watch(serial_line_);
  flusher_.Watch(debug_line_);
  com1_.SetRoomObserver([this] { serial_.Room(); });

  using Width = PortBus::Width;
  ports_.Attach(PicPair::kMaster, PicPair::kPorts, Width::kBytes, pics_.master());
  ports_.Attach(PicPair::kSlave, PicPair::kPorts, Width::kBytes, pics_.slave());
  ports_.Attach(PicPair::kElcr, PicPair::kPorts, Width::kBytes, pics_.elcr());
  ports_.Attach(Pit::kPort, Pit::kPorts, Width::kBytes, pit_);
  ports_.Attach(SystemControlB::kPort, 1, Width::kBytes, system_control_b_);
  ports_.Attach(PmTimer::kPort, PmTimer::kPorts, Width::kNative, pm_timer_);
  ports_.Attach(Uart::kCom1, Uart::kPorts, Width::kBytes, com1_);
  ports_.Attach(DebugConsole::kPort, 1, Width::kBytes, debug_console_);
  ports_.Attach(DebugExit::kPort, DebugExit::kPorts, Width::kNative, debug_exit_);
  ports_.Attach(Pm1Event::kPort, Pm1Event::kPorts, Width::kBytes, pm1_event_);
  ports_.Attach(PowerOff::kPort, PowerOff::kPorts, Width::kNative, power_off_);
  ports_.Attach(I8042::kData, 1, Width::kBytes, i8042_.data());
  ports_.Attach(I8042::kCommand, 1, Width::kBytes, i8042_.command());
  ports_.Attach(SystemControlA::kPort, 1, Width::kBytes, system_control_);
  ports_.Attach(ResetControl::kPort, 1, Width::kBytes, reset_control_);
  ports_.Attach(PciConfig::kAddress, 1, Width::kNative, pci_config_.address());
  ports_.Attach(PciConfig::kUnused, PciConfig::kUnusedPorts, Width::kBytes, pci_config_.nothing());
  ports_.Attach(PciConfig::kData, PciConfig::kDataPorts, Width::kNative, pci_config_.nothing());
  ports_.Attach(BochsShutdown::kPort, 1, Width::kBytes, bochs_shutdown_);
  ports_.Attach(FwCfg::kPort, FwCfg::kPorts, Width::kNative, fw_cfg_);
  ports_.Attach(Cmos::kPort, Cmos::kPorts, Width::kBytes, cmos_);
  ports_.Attach(Crtc::kPort, Crtc::kPorts, Width::kBytes, crtc_);
  ports_.Attach(TestLines::kPort, TestLines::kPorts, Width::kBytes, test_lines_);
  ports_.Attach(TestBytes::kPort, TestBytes::kPorts, Width::kBytes, test_bytes_);
}

void PcDevices::AsFirmwareLeaves() {
  pit_.AsFirmwareLeaves();
  i8042_.AsFirmwareLeaves();
  rtc_.AsFirmwareLeaves();
  pics_.AsFirmwareLeaves();  // last: it forgets what the others' lines did
}

void PcDevices::TimerExpired(Timer timer) { timer == kPitTimer ? pit_.Expired() : rtc_.Expired(); }

void PcDevices::Start(std::function<void()> input_ended) {
  flusher_.Start();
  serial_.Start({.receive = [this](std::span<const uint8_t> bytes) { return Receive(bytes); },
                 .ended = std::move(input_ended),
                 .lost =
                     [this](const std::string& why) {
                       control_.End({.kind = Ending::Kind::kOutputLost, .detail = why});
                     }});
}

void PcDevices::Stop() {
  serial_.StopInput();
  flusher_.Stop();
  serial_.Finish();
}

}  // namespace muster::vmm
