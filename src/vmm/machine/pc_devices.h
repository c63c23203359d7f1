#pragma once

#include <cstdint>
#include <functional>

#include <muster/vmm/device/bochs_shutdown.h>
#include <muster/vmm/device/cmos.h>
#include <muster/vmm/device/crtc.h>
#include <muster/vmm/device/debug_console.h>
#include <muster/vmm/device/debug_exit.h>
#include <muster/vmm/device/device_timer.h>
#include <muster/vmm/device/fw_cfg.h>
#include <muster/vmm/device/i8042.h>
#include <muster/vmm/device/idle_flusher.h>
#include <muster/vmm/device/irq_line.h>
#include <muster/vmm/device/isa_lines.h>
#include <muster/vmm/device/line_buffer.h>
#include <muster/vmm/device/pci_config.h>
#include <muster/vmm/device/pic_pair.h>
#include <muster/vmm/device/pit.h>
#include <muster/vmm/device/pm1_event.h>
#include <muster/vmm/device/pm_timer.h>
#include <muster/vmm/device/port_bus.h>
#include <muster/vmm/device/power_off.h>
#include <muster/vmm/device/reset_ports.h>
#include <muster/vmm/device/rtc.h>
#include <muster/vmm/device/run_control.h>
#include <muster/vmm/device/system_control_b.h>
#include <muster/vmm/device/test_device.h>
#include <muster/vmm/device/uart.h>
#include <muster/vmm/memory/guest_memory.h>
#include <muster/vmm/serial/serial_peer.h>

namespace muster::vmm {

// Everything behind the I/O ports of one machine. What the debug console says goes where the serial
// line's output goes.
class PcDevices {
 public:
  struct Timers {
    DeviceTimer& pit;
    DeviceTimer& rtc;
  };
  enum Timer : int { kPitTimer, kRtcTimer, kTimers };

  // `pins`: of the I/O APIC. `serial` is in use until Stop.
  PcDevices(RunControl& control, IrqSink& pins, const Timers& timers, SerialPeer& serial,
            const GuestMemory& memory, int cpus);

  PortBus& ports() { return ports_; }
  PicPair& pics() { return pics_; }
  const PicPair& pics() const { return pics_; }

  // As firmware leaves what it sets up, for an image that is started again.
  void AsFirmwareLeaves();

  // The deadline of that timer has passed.
  void TimerExpired(Timer timer);

  // Between Start and Stop input is read and unfinished lines come out by themselves. Stop puts out
  // the rest. `input_ended` is called when no more can come.
  void Start(std::function<void()> input_ended);
  void Stop();

  // Bytes for the serial line; how many there was room for.
  size_t Receive(std::span<const uint8_t> bytes) { return com1_.Receive(bytes); }

  // Whether input may yet come that interrupts, or a timer will.
  bool MayInterrupt() {
    return (serial_.MayBringInput() && com1_.InterruptsOnReceipt()) || pit_.MayInterrupt() ||
           rtc_.MayInterrupt();
  }

  uint64_t input_wake_ups() const { return serial_.wake_ups(); }
  uint64_t output_wake_ups() const { return flusher_.wake_ups(); }

  // See SerialPeer::Hurry.
  void HurryOutput() { serial_.Hurry(); }

 private:
  RunControl& control_;
  SerialPeer& serial_;
  IdleFlusher flusher_;
  LineBuffer serial_line_;
  LineBuffer debug_line_;
  PicPair pics_;
  IsaLines lines_;
  Pit pit_;
  SystemControlB system_control_b_;
  PmTimer pm_timer_;
  Uart com1_;
  DebugConsole debug_console_;
  DebugExit debug_exit_;
  Pm1Event pm1_event_;
  PowerOff power_off_;
  I8042 i8042_;
  SystemControlA system_control_;
  ResetControl reset_control_;
  BochsShutdown bochs_shutdown_;
  FwCfg fw_cfg_;
  Rtc rtc_;
  Cmos cmos_;
  Crtc crtc_;
  PciConfig pci_config_;
  TestLines test_lines_;
  TestBytes test_bytes_;
  PortBus ports_;
};

}  // namespace muster::vmm
