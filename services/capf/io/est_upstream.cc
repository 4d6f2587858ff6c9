#include "services/capf/io/est_upstream.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "services/capf/core/certificate_builder.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/log/log.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"

namespace sallyport::capf {
namespace {

constexpr char kActor[] = "est";
constexpr absl::Duration kLeastPause = absl::Seconds(1);
constexpr absl::Duration kLongestPause = absl::Hours(24);

}  // namespace

EstUpstream::EstUpstream(const EstClient& client,
                         CertificateAuthority& authority, TrustAdmin& trust,
                         absl::Duration retry, const Clock& clock)
    : client_(client),
      authority_(authority),
      trust_(trust),
      retry_(retry),
      clock_(clock),
      thread_([this] { Run(); }) {}

EstUpstream::~EstUpstream() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

EstState EstUpstream::state() const {
  absl::MutexLock lock(&mutex_);
  return state_;
}

absl::Time EstUpstream::DueTime() const {
  const Issuer& now = authority_.issuer();
  const bool own_word =
      CheckSignedBy(AsBytes(now.certificate_der), AsBytes(now.certificate_der))
          .ok();
  if (own_word) return absl::InfinitePast();
  return now.not_before + (now.not_after - now.not_before) / 3 * 2;
}

absl::Status EstUpstream::Attempt(absl::Duration* retry_after) {
  SP_ASSIGN_OR_RETURN(const std::string csr, authority_.Request(kActor));
  const bool again = DueTime() != absl::InfinitePast();
  const EstResult result = client_.Enroll(csr, again);
  *retry_after = result.retry_after.value_or(absl::ZeroDuration());
  SP_RETURN_IF_ERROR(result.status);
  const EstResult above = client_.CaCerts();
  SP_RETURN_IF_ERROR(above.status);
  SP_ASSIGN_OR_RETURN(const std::vector<std::string> chain,
                      OrderChain(result.certificates, above.certificates,
                                 authority_.issuer().key.spki()));
  SP_RETURN_IF_ERROR(authority_.Import(chain, kActor, false));
  return trust_.RenewOwn(kActor);
}

void EstUpstream::Run() {
  absl::Duration pause = retry_;
  absl::Time next = DueTime();
  while (true) {
    const absl::Time wake = std::min(next, clock_.Now() + kLongestPause);
    {
      absl::MutexLock lock(&mutex_);
      state_.next_attempt_time = std::max(next, clock_.Now());
      mutex_.AwaitWithTimeout(absl::Condition(&stopping_), wake - clock_.Now());
      if (stopping_) return;
    }
    if (clock_.Now() < next) continue;
    absl::Duration retry_after;
    const absl::Status status = Attempt(&retry_after);
    const absl::Time now = clock_.Now();
    if (status.ok()) {
      LogInfo("the authority is certified from above",
              {{"expires", authority_.issuer().not_after}});
      pause = retry_;
      next = std::max(DueTime(), now + kLeastPause);
    } else {
      LogWarning("the authority is not certified from above",
                 {{"status", status}});
      next = now + (retry_after > absl::ZeroDuration()
                        ? std::clamp(retry_after, kLeastPause, kLongestPause)
                        : pause);
      pause = std::min(pause * 2, kLongestPause);
    }
    absl::MutexLock lock(&mutex_);
    state_.reason = status.ok() ? "OK" : std::string(ReasonOf(status));
    state_.attempt_time = now;
  }
}

}  // namespace sallyport::capf
