#pragma once

#include <string>

namespace muster::vmm::testing {

// The other end of a guest's serial line. Whatever waits fails where nothing has come for a minute.
class SerialClient {
 public:
  // Of a Unix socket, once somebody listens there.
  static SerialClient Connect(const std::string& path);
  // Of a terminal, whose settings are left alone.
  static SerialClient Open(const std::string& name);
  ~SerialClient();
  SerialClient(SerialClient&& other) noexcept;
  SerialClient& operator=(SerialClient&&) = delete;

  void Send(const std::string& text);
  // No more is sent, but read.
  void EndSending();
  // Reads until `text` has come; what has come up to its end, since the last such call.
  std::string WaitFor(const std::string& text);
  std::string ReadToEnd();
  // Waits until the descriptor has had something to read for so long that no more comes.
  void WaitUntilFull();

 private:
  explicit SerialClient(int fd) : fd_(fd) {}
  bool ReadSome();

  int fd_;
  std::string come_;
};

}  // namespace muster::vmm::testing
