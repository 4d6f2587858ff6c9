// A TlsContext whose files are looked at again.

#ifndef SALLYPORT_SERVICES_COMMON_TLS_WATCHED_CONTEXT_H_
#define SALLYPORT_SERVICES_COMMON_TLS_WATCHED_CONTEXT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/tls/tls_context.h"

namespace sallyport {

// Looks at the files every `refresh` on a thread of its own. What cannot be
// used leaves the former context in force, and is logged once for each change.
// New connections use what is in force, established ones stay. Thread-safe.
class WatchedTlsContext {
 public:
  struct Files {
    std::string certificate;
    std::string key;
    std::string trust;  // empty: as in the options
  };
  // All but what the files hold, and the generation.
  using MakeOptions = std::function<TlsContextOptions()>;

  // `name` tells in the log whose files they are. Fails as
  // TlsContext::CreateFromFiles() does.
  static absl::StatusOr<std::unique_ptr<WatchedTlsContext>> Create(
      const std::string& name, const Files& files, MakeOptions make_options,
      absl::Duration refresh);
  ~WatchedTlsContext();
  WatchedTlsContext(const WatchedTlsContext&) = delete;
  WatchedTlsContext& operator=(const WatchedTlsContext&) = delete;

  std::shared_ptr<const TlsContext> current() const;

 private:
  WatchedTlsContext(const std::string& name, const Files& files,
                    MakeOptions make_options);
  absl::StatusOr<std::shared_ptr<const TlsContext>> Load();
  void Watch(absl::Duration refresh);
  std::string Digest() const;

  const std::string name_;
  const Files files_;
  const MakeOptions make_options_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<const TlsContext> current_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t generation_ = 0;  // Create(), then the thread
  std::string seen_;         // likewise
  std::thread thread_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_TLS_WATCHED_CONTEXT_H_
