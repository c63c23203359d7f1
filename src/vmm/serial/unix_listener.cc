#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <muster/vmm/report/os_error.h>
#include <muster/vmm/serial/unix_listener.h>

namespace muster::vmm {
namespace {

// Clients that wait for the one before them to go.
constexpr int kBacklog = 4;

absl::Status Refused(const std::string& path, const std::string& why) {
  return absl::InvalidArgumentError(fmt::format("unix:{}: {}", path, why));
}

absl::Status Refused(const std::string& path) { return Refused(path, OsError()); }

vcpu::Fd Socket() {
  return vcpu::Fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

// Held while a name is looked at and taken: of two that find the same socket left over, one would
// remove the other's.
class DirectoryLock {
 public:
  explicit DirectoryLock(const std::string& path) {
    const size_t slash = path.rfind('/');
    const std::string directory =
        slash == std::string::npos ? "." : path.substr(0, slash == 0 ? 1 : slash);
    fd_ = vcpu::Fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd_.valid()) flock(fd_.get(), LOCK_EX);  // where there is none to be had it goes without
  }

 private:
  vcpu::Fd fd_;
};

// Removes what bears the name already, if it is a socket that nobody listens on.
absl::Status RemoveLeftOver(const std::string& path, const sockaddr* address, socklen_t size) {
  struct stat status;
  if (lstat(path.c_str(), &status) != 0) return errno == ENOENT ? absl::OkStatus() : Refused(path);
  if (!S_ISSOCK(status.st_mode)) return Refused(path, "is there already, and is no socket");
  const int error = connect(Socket().get(), address, size) == 0 ? 0 : errno;
  if (error == 0 || error == EAGAIN) return Refused(path, "another process listens there");
  if (error != ECONNREFUSED) return Refused(path, OsError(error));
  return unlink(path.c_str()) == 0 ? absl::OkStatus() : Refused(path);
}

}  // namespace

absl::StatusOr<std::unique_ptr<UnixListener>> UnixListener::Listen(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() > kLongestPath) {
    return Refused(path, fmt::format("is {} bytes long; a socket's name has at most {}",
                                     path.size(), kLongestPath));
  }
  path.copy(address.sun_path, path.size());
  const auto* const generic = reinterpret_cast<const sockaddr*>(&address);

  const DirectoryLock lock(path);
  if (absl::Status status = RemoveLeftOver(path, generic, sizeof(address)); !status.ok()) {
    return status;
  }
  vcpu::Fd socket = Socket();
  if (!socket.valid() || bind(socket.get(), generic, sizeof(address)) != 0) return Refused(path);
  std::unique_ptr<UnixListener> listener(new UnixListener(path, std::move(socket)));
  struct stat status;
  if (lstat(path.c_str(), &status) == 0) {
    listener->device_ = status.st_dev;
    listener->inode_ = status.st_ino;
  }
  if (listen(listener->fd(), kBacklog) != 0) return Refused(path);
  return listener;
}

UnixListener::~UnixListener() {
  struct stat status;
  if (lstat(path_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_) {
    unlink(path_.c_str());
  }
}

int UnixListener::Take() {
  const int client = accept4(fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (client >= 0) return client;
  return errno == EAGAIN || errno == EINTR || errno == ECONNABORTED ? kNobody : kNotNow;
}

void UnixListener::Gone(int client) { close(client); }

}  // namespace muster::vmm
