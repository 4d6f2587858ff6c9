// Calls a function every so often, on a thread of its own.

#ifndef SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_TICKER_H_
#define SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_TICKER_H_

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace sallyport::credential_issuer {

// Thread-safe.
class Ticker {
 public:
  // The first call comes after one `interval`.
  Ticker(absl::Duration interval, std::function<void()> call);
  // Waits for a call that runs; none comes afterwards.
  ~Ticker();
  Ticker(const Ticker&) = delete;
  Ticker& operator=(const Ticker&) = delete;

 private:
  void Run();

  const absl::Duration interval_;
  const std::function<void()> call_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace sallyport::credential_issuer

#endif  // SALLYPORT_SERVICES_CREDENTIAL_ISSUER_IO_TICKER_H_
