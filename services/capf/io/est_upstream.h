// Keeps the authority certified by another one, by EST.

#ifndef SALLYPORT_SERVICES_CAPF_IO_EST_UPSTREAM_H_
#define SALLYPORT_SERVICES_CAPF_IO_EST_UPSTREAM_H_

#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "services/capf/io/certificate_authority.h"
#include "services/capf/io/est_client.h"
#include "services/capf/io/trust_admin.h"
#include "services/common/time/clock.h"

namespace sallyport::capf {

// How it stands. A value.
struct EstState {
  std::string reason;  // of the last attempt: "OK" or an error's; empty: none
  absl::Time attempt_time = absl::InfinitePast();
  absl::Time next_attempt_time = absl::InfinitePast();
};

// On a thread of its own: enrols while the authority's certificate is its own
// word only, and again after two thirds of a certificate's life. Until an
// answer comes the authority issues by the certificate it has. A failure is
// tried again after `retry`, then twice as long, at most a day; or when the
// server says. The request is the same each time, over restarts too, which is
// how a server that answered 202 is asked whether it is done. Thread-safe.
class EstUpstream {
 public:
  // All must outlive it.
  EstUpstream(const EstClient& client, CertificateAuthority& authority,
              TrustAdmin& trust, absl::Duration retry, const Clock& clock);
  // Waits for an exchange that is under way.
  ~EstUpstream();
  EstUpstream(const EstUpstream&) = delete;
  EstUpstream& operator=(const EstUpstream&) = delete;

  EstState state() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Run() ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Attempt(absl::Duration* retry_after);
  // When the certificate in force is to be replaced.
  absl::Time DueTime() const;

  const EstClient& client_;
  CertificateAuthority& authority_;
  TrustAdmin& trust_;
  const absl::Duration retry_;
  const Clock& clock_;
  mutable absl::Mutex mutex_;
  EstState state_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_IO_EST_UPSTREAM_H_
