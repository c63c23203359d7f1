#include <csignal>
#include <fcntl.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>

#include <catch2/catch.hpp>

#include <muster/vmm/device/debug_console.h>
#include <muster/vmm/device/idle_flusher.h>
#include <muster/vmm/device/line_buffer.h>
#include <muster/vmm/device/uart.h>
#include <muster/vmm/serial/output_fd.h>

namespace muster::vmm {
namespace {

class Collected : public ByteSink {
 public:
  void Write(std::span<const uint8_t> bytes) override {
    writes.emplace_back(bytes.begin(), bytes.end());
  }
  std::vector<std::string> writes;
};

// Remembers what the lines were set to, as "4+" and "4-".
struct Lines : IrqSink {
  void SetLine(unsigned line, bool asserted) override {
    log += std::to_string(line) + (asserted ? "+ " : "- ");
  }
  std::string Take() { return std::exchange(log, {}); }
  std::string log;
};

struct Console {
  Collected sink;
  int unfinished = 0;
  LineBuffer buffer{sink, [this] { ++unfinished; }};
  Lines lines;
  Uart uart{buffer, lines};

  void Out(uint16_t offset, uint8_t value) { uart.Write(offset, 1, value); }
  uint32_t In(uint16_t offset) { return uart.Read(offset, 1); }
};

using Writes = std::vector<std::string>;

TEST_CASE("output is passed on by the line, and what is unfinished is announced once") {
  Console console;
  for (char c : std::string("one\ntw")) console.buffer.Put(static_cast<uint8_t>(c));
  CHECK(console.sink.writes == Writes{"one\n"});
  CHECK(console.unfinished == 2);
  console.buffer.Flush();
  console.buffer.Flush();
  CHECK(console.sink.writes == Writes{"one\n", "tw"});
}

TEST_CASE("a line without end is passed on in pieces") {
  Console console;
  for (size_t i = 0; i < LineBuffer::kLongestLine; ++i) console.buffer.Put('x');
  REQUIRE(console.sink.writes.size() == 1);
  CHECK(console.sink.writes[0].size() == LineBuffer::kLongestLine);
}

TEST_CASE("lines that several threads put out through buffers of their own stay whole") {
  Collected sink;
  sync::Mutex mutex;
  struct Locked : ByteSink {
    Collected& to;
    sync::Mutex& guard;
    Locked(Collected& t, sync::Mutex& g) : to(t), guard(g) {}
    void Write(std::span<const uint8_t> bytes) override {
      sync::MutexLock lock(guard);
      to.Write(bytes);
    }
  } locked(sink, mutex);
  LineBuffer serial(locked, [] {}), debug(locked, [] {});
  const auto put = [](LineBuffer& to, const std::string& line) {
    for (int i = 0; i < 200; ++i) {
      for (char c : line) to.Put(static_cast<uint8_t>(c));
    }
  };
  std::thread first(put, std::ref(serial), "aaaa\n"), second(put, std::ref(debug), "bbbb\n");
  first.join();
  second.join();
  CHECK(sink.writes.size() == 400);
  for (const std::string& line : sink.writes) CHECK((line == "aaaa\n" || line == "bbbb\n"));
}

TEST_CASE("an unfinished line comes out by itself, and at the latest when the flusher stops") {
  struct Signalling : ByteSink {
    void Write(std::span<const uint8_t> bytes) override {
      sync::MutexLock lock(mutex);
      text.append(bytes.begin(), bytes.end());
      changed.Signal();
    }
    sync::Mutex mutex;
    sync::CondVar changed;
    std::string text ABSL_GUARDED_BY(mutex);
  } sink;
  IdleFlusher flusher;
  LineBuffer buffer(sink, [&flusher] { flusher.Announce(); });
  flusher.Watch(buffer);
  flusher.Start();
  buffer.Put('>');
  {
    sync::MutexLock lock(sink.mutex);
    while (sink.text != ">") sink.changed.Wait(sink.mutex);  // a hang here is the failure
  }
  buffer.Put('x');
  flusher.Stop();
  sync::MutexLock lock(sink.mutex);
  CHECK(sink.text == ">x");
}

TEST_CASE("the transmitter is always empty and sends what is written") {
  Console console;
  CHECK((console.In(5) & 0x60) == 0x60);
  console.Out(0, 'h');
  console.Out(0, '\n');
  CHECK(console.sink.writes == Writes{"h\n"});
}

TEST_CASE("the divisor latch hides data and IER while DLAB is set") {
  Console console;
  console.Out(3, 0x83);
  console.Out(0, 1);
  console.Out(1, 2);
  CHECK(console.In(0) == 1);
  CHECK(console.In(1) == 2);
  console.Out(3, 0x03);
  CHECK(console.In(1) == 0);
  CHECK(console.sink.writes.empty());
}

TEST_CASE("scratch, LCR, MCR and IER keep what they have bits for") {
  Console console;
  console.Out(7, 0xa5);
  CHECK(console.In(7) == 0xa5);
  console.Out(4, 0xff);
  CHECK(console.In(4) == 0x1f);
  console.Out(1, 0xff);
  CHECK(console.In(1) == 0x0f);
}

TEST_CASE("IIR shows the FIFOs, and the empty transmitter once") {
  Console console;
  CHECK(console.In(2) == 0x01);
  console.Out(2, 0x01);
  CHECK(console.In(2) == 0xc1);
  console.Out(1, 0x02);
  CHECK(console.In(2) == 0xc2);
  CHECK(console.In(2) == 0xc1);
  console.Out(0, 'x');
  CHECK(console.In(2) == 0xc2);
}

TEST_CASE("loopback receives what is sent, with overrun, and shows MCR in MSR") {
  Console console;
  console.Out(4, 0x10);
  CHECK(console.In(6) == 0x0b);  // the lines have fallen
  CHECK(console.In(6) == 0);
  console.Out(0, 'a');
  CHECK((console.In(5) & 1) == 1);
  CHECK(console.In(0) == 'a');
  CHECK((console.In(5) & 1) == 0);
  console.Out(0, 'b');
  console.Out(0, 'c');
  CHECK((console.In(5) & 3) == 3);
  CHECK((console.In(5) & 3) == 1);  // reading took note of it
  CHECK(console.In(0) == 'c');
  CHECK(console.sink.writes.empty());
  console.Out(4, 0x1a);
  CHECK(console.In(6) == 0x99);  // CTS of RTS, DCD of OUT2, and that they changed
  CHECK(console.In(6) == 0x90);
}

TEST_CASE("an empty transmitter interrupts anew after each byte, until IIR has been read") {
  Console console;
  console.Out(1, 0x02);
  CHECK(console.lines.Take() == "4+ ");
  CHECK(console.In(2) == 0x02);
  CHECK(console.lines.Take() == "4- ");
  console.Out(0, 'x');
  CHECK(console.lines.Take() == "4+ ");
  console.Out(0, 'y');
  CHECK(console.lines.Take() == "4- 4+ ");  // an edge for each
  console.Out(1, 0);
  CHECK(console.lines.Take() == "4- ");
}

std::span<const uint8_t> Bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

TEST_CASE("nothing is received before the guest has looked for input") {
  Console console;
  int room = 0;
  console.uart.SetRoomObserver([&room] { ++room; });
  CHECK(console.uart.Receive(Bytes("a")) == 0);
  console.Out(2, 0x01);
  CHECK((console.In(5) & 1) == 0);
  CHECK(room > 0);
  CHECK(console.uart.Receive(Bytes("a")) == 1);
  CHECK(console.In(0) == 'a');
}

TEST_CASE("received bytes interrupt at the trigger level, and below it by timeout") {
  Console console;
  console.Out(2, 0x81);  // eight
  console.Out(1, 0x01);
  CHECK(console.uart.InterruptsOnReceipt());
  CHECK(console.uart.Receive(Bytes("abc")) == 3);
  CHECK(console.lines.Take() == "4+ ");
  CHECK(console.In(2) == 0xcc);
  CHECK(console.uart.Receive(Bytes("defgh")) == 5);
  CHECK(console.In(2) == 0xc4);
  for (char c : std::string("abcdefgh")) CHECK(console.In(0) == static_cast<uint8_t>(c));
  CHECK(console.lines.Take() == "4- ");
  CHECK(console.In(2) == 0xc1);
}

TEST_CASE("no more is received than there is room for, and in loopback nothing") {
  Console console;
  console.In(5);
  CHECK(console.uart.Receive(Bytes("ab")) == 1);
  console.In(0);
  console.Out(2, 0x01);
  CHECK(console.uart.Receive(Bytes("0123456789abcdefgh")) == 16);
  CHECK((console.In(5) & 2) == 0);  // no overrun
  console.Out(2, 0x03);
  console.Out(4, 0x10);
  CHECK(console.uart.Receive(Bytes("a")) == 0);
  console.Out(4, 0x00);
  CHECK(console.uart.Receive(Bytes("a")) == 1);
}

TEST_CASE("of several causes IIR names the one of the highest priority") {
  Console console;
  console.Out(1, 0x0f);
  console.Out(4, 0x13);  // loopback; the modem lines change
  console.Out(0, 'a');
  console.Out(0, 'b');
  CHECK(console.In(2) == 0x06);  // overrun
  console.In(5);
  CHECK(console.In(2) == 0x04);
  console.In(0);
  CHECK(console.In(2) == 0x02);
  CHECK(console.In(2) == 0x00);
  console.In(6);
  CHECK(console.In(2) == 0x01);
  CHECK(console.lines.Take() == "4+ 4- ");  // one after the other, never low between
}

TEST_CASE("a line's every change is driven, also one that is said while another is being driven") {
  struct Reentrant : IrqSink {
    void SetLine(unsigned, bool asserted) override {
      log += asserted ? '+' : '-';
      if (log.size() > 1) return;
      line->Want(false);
      line->Want(true);
      line->Drive();
    }
    IrqLine* line = nullptr;
    std::string log;
  } sink;
  IrqLine line(sink, 4);
  sink.line = &line;
  line.Want(true);
  line.Want(true);
  line.Drive();
  CHECK(sink.log == "+-+");
}

TEST_CASE("with FIFOs sixteen bytes are kept and the next is lost") {
  Console console;
  console.Out(2, 0x01);
  console.Out(4, 0x10);
  for (uint8_t i = 0; i < 17; ++i) console.Out(0, i);
  CHECK((console.In(5) & 3) == 3);
  for (uint8_t i = 0; i < 16; ++i) CHECK(console.In(0) == i);
  CHECK((console.In(5) & 1) == 0);
}

TEST_CASE("the debug console answers 0xe9") {
  Console console;
  CHECK(DebugConsole(console.buffer).Read(0, 1) == 0xe9);
}

std::vector<uint8_t> Text(size_t size) { return std::vector<uint8_t>(size, 'x'); }

TEST_CASE("a reader that is gone is told of once") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  signal(SIGPIPE, SIG_IGN);
  close(ends[0]);
  int failures = 0;
  std::string why;
  OutputFd output(ends[1], [&](const std::string& reason) {
    ++failures;
    why = reason;
  });
  output.Write(Text(10));
  output.Write(Text(10));
  CHECK(failures == 1);
  CHECK(why == "Broken pipe");
  close(ends[1]);
}

TEST_CASE("a reader that does not read holds up the writer until told to hurry") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const auto capacity = static_cast<size_t>(fcntl(ends[1], F_GETPIPE_SZ));
  OutputFd output(ends[1], [](const std::string&) {});
  std::thread writer([&] { output.Write(Text(capacity + 1)); });
  output.Hurry();
  writer.join();  // a hang here is the failure
  std::vector<uint8_t> got(2 * capacity);
  CHECK(read(ends[0], got.data(), got.size()) > 0);  // what there was room for is not lost
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace muster::vmm
