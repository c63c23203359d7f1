#include <pthread.h>
#include <utility>

#include <muster/vmm/serial/input_thread.h>

namespace muster::vmm {

void InputThread::Start(std::function<void()> main) {
  thread_ = std::thread([main = std::move(main)] {
    pthread_setname_np(pthread_self(), "input");
    main();
  });
}

void InputThread::Stop() {
  stop_.Store(true, std::memory_order_seq_cst);
  wake_.Signal();
  if (thread_.joinable()) thread_.join();
}

bool InputThread::Sleep(pollfd& wait, int timeout_ms) {
  pollfd waits[] = {wait, {wake_.fd(), POLLIN, 0}};
  poll(waits, 2, timeout_ms);
  wake_ups_.FetchAdd(1, std::memory_order_relaxed);
  wait.revents = waits[0].revents;
  if (waits[1].revents != 0) wake_.Clear();  // before what it is about is looked at
  return !stop_.Load(std::memory_order_seq_cst);
}

}  // namespace muster::vmm
