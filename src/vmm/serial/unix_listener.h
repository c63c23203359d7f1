#pragma once

#include <absl/status/statusor.h>
#include <memory>
#include <string>
#include <sys/types.h>

#include <muster/vcpu/kvm/fd.h>
#include <muster/vmm/serial/client_source.h>

namespace muster::vmm {

// A Unix stream socket with a name in the file system, which is removed at the end. Whoever comes
// while another client is there waits until that has gone.
class UnixListener : public ClientSource {
 public:
  // What a socket's name may have, without the 0 at its end (unix(7)).
  static constexpr size_t kLongestPath = 107;

  // A socket of that name that nobody listens on is taken for left over, and replaced; anything
  // else there is an error. Errors name the path.
  static absl::StatusOr<std::unique_ptr<UnixListener>> Listen(const std::string& path);
  ~UnixListener() override;
  UnixListener(const UnixListener&) = delete;
  UnixListener& operator=(const UnixListener&) = delete;

  int fd() const override { return fd_.get(); }
  int Take() override;
  void Gone(int client) override;
  void Drain(int, int) override {}  // what was sent stays readable

 private:
  UnixListener(std::string path, vcpu::Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  const std::string path_;
  const vcpu::Fd fd_;
  dev_t device_ = 0;  // which file it is: another's of the same name is not ours to remove
  ino_t inode_ = 0;
};

}  // namespace muster::vmm
