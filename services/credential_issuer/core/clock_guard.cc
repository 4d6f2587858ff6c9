#include "services/credential_issuer/core/clock_guard.h"

namespace sallyport::credential_issuer {

bool ClockGuard::Observe(absl::Time wall, MonoTime mono) {
  const absl::Duration drift = (wall - wall_) - (mono - mono_);
  const bool jumped = started_ && absl::AbsDuration(drift) > kTolerance;
  started_ = true;
  wall_ = wall;
  mono_ = mono;
  if (jumped) settled_at_ = mono + kSettling;
  return jumped;
}

}  // namespace sallyport::credential_issuer
