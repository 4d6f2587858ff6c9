// The certificate of TURN over TLS, read again when its files change.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_IO_TURN_TLS_FILES_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_IO_TURN_TLS_FILES_H_

#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/common/tls/tls_context.h"
#include "services/media_relay/io/dtls_server_session.h"

namespace sallyport::media_relay {

// Looks at both files every `refresh` on a thread of its own. A pair that
// cannot be used leaves the former one in force, and is logged once. New
// connections use what is in force, established ones stay. Clients are not
// asked for a certificate: TURN clients have none, their credential proves who
// they are. Thread-safe.
class TurnTlsFiles {
 public:
  // Fails as TlsContext::CreateFromFiles() does. `dtls`: the pair is made ready
  // for DTLS too.
  static absl::StatusOr<std::unique_ptr<TurnTlsFiles>> Create(
      const std::string& certificate_file, const std::string& key_file,
      absl::Duration refresh, bool dtls = false);
  ~TurnTlsFiles();
  TurnTlsFiles(const TurnTlsFiles&) = delete;
  TurnTlsFiles& operator=(const TurnTlsFiles&) = delete;

  std::shared_ptr<const TlsContext> current() const;
  // Null without `dtls`.
  std::shared_ptr<const DtlsServerCredentials> dtls() const;

 private:
  struct Pair {
    std::shared_ptr<const TlsContext> tls;
    std::shared_ptr<const DtlsServerCredentials> dtls;
  };

  TurnTlsFiles(const std::string& certificate_file, const std::string& key_file,
               bool with_dtls)
      : certificate_file_(certificate_file),
        key_file_(key_file),
        with_dtls_(with_dtls) {}
  absl::StatusOr<Pair> Load();
  void Watch(absl::Duration refresh);
  // What both files hold, as far as it can be read.
  std::string Contents() const;

  const std::string certificate_file_;
  const std::string key_file_;
  const bool with_dtls_;
  mutable absl::Mutex mutex_;
  Pair current_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t generation_ = 0;  // Create(), then the thread
  std::string seen_;         // likewise
  std::thread thread_;
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_IO_TURN_TLS_FILES_H_
