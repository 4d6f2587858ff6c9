#include "services/media_relay/core/ice_lite.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/constant_time.h"
#include "services/common/crypto/secret.h"
#include "services/common/random/random_source.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/stun_error.h"
#include "services/media_relay/core/stun_integrity.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"

namespace sallyport::media_relay {
namespace {

// RFC 8839 section 5.4: at least 24 bits in the fragment, 128 in the password.
constexpr size_t kUfragSize = 8;
constexpr size_t kPasswordSize = 32;

std::string IceText(RandomSource& random, size_t size) {
  // ice-char: exactly 64 of them, so six bits each without bias.
  constexpr std::string_view kChars =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text(size, '\0');
  random.Fill(
      absl::MakeSpan(reinterpret_cast<uint8_t*>(text.data()), text.size()));
  for (char& c : text) c = kChars[static_cast<uint8_t>(c) & 63];
  return text;
}

void AddIntegrity(StunWriter& writer, StunIntegrity how,
                  const Secret& password) {
  // Short-term credentials: the password is the key (RFC 8489 section 9.1.1).
  if (how == StunIntegrity::kSha256) {
    writer.AddIntegritySha256(password.DangerousBytes());
  } else {
    writer.AddIntegritySha1(password.DangerousBytes());
  }
  writer.AddFingerprint();
}

}  // namespace

bool IsIceUfrag(std::string_view text) {
  return text.size() >= 4 && text.size() <= 256 &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  (c >= '0' && c <= '9') || c == '+' || c == '/';
         });
}

IceLite::IceLite(RandomSource& random) : local_(Draw(random)) {}

IceLite::Credentials IceLite::Draw(RandomSource& random) {
  Credentials out;
  out.ufrag = IceText(random, kUfragSize);
  out.password = Secret::Take(IceText(random, kPasswordSize));
  return out;
}

void IceLite::SetRemoteUfrag(std::string_view ufrag) {
  if (local_.remote_ufrag == ufrag) return;
  if (!local_.remote_ufrag.empty()) {
    remotes_.clear();
    selected_.reset();
    former_.reset();
    state_ = State::kWaiting;
  }
  local_.remote_ufrag = std::string(ufrag);
}

void IceLite::Restart(RandomSource& random) {
  former_ = std::exchange(local_, Draw(random));
}

bool IceLite::Matches(const Credentials& credentials, std::string_view user) {
  const std::string& ufrag = credentials.ufrag;
  if (user.size() <= ufrag.size() + 1 || user[ufrag.size()] != ':' ||
      !ConstantTimeEquals(AsBytes(user.substr(0, ufrag.size())),
                          AsBytes(ufrag))) {
    return false;
  }
  // The far side's answer may still be on its way through the signalling.
  return credentials.remote_ufrag.empty() ||
         user.substr(ufrag.size() + 1) == credentials.remote_ufrag;
}

IceLite::Remote* IceLite::Find(const Endpoint& address) {
  const auto it = std::find_if(
      remotes_.begin(), remotes_.end(),
      [&](const Remote& remote) { return remote.address == address; });
  return it == remotes_.end() ? nullptr : &*it;
}

IceLite::Answer IceLite::Error(const StunMessage& request, StunError error,
                               StunIntegrity how, const Secret& password,
                               absl::Span<uint8_t> reply) {
  StunWriter writer(reply, StunClass::kError, request.method(),
                    request.transaction_id());
  writer.AddErrorCode(error);
  if (error == StunError::kUnknownAttribute) {
    writer.AddUnknownAttributes(request.unknown_required());
  }
  AddIntegrity(writer, how, password);
  return {DropReason::kNone, writer.finished()};
}

IceLite::Answer IceLite::OnPacket(ByteSpan bytes, const Endpoint& from,
                                  absl::Span<uint8_t> reply, MonoTime now) {
  const auto drop = [](DropReason reason) { return Answer{reason, {}}; };
  const absl::StatusOr<StunMessage> parsed = ParseStunMessage(bytes);
  if (!parsed.ok()) return drop(DropReason::kMalformedStun);
  const StunMessage& request = *parsed;
  // RFC 5245 clients keep paths open with Binding indications: no answer.
  if (!request.Is(StunClass::kRequest, StunMethod::kBinding)) {
    return drop(DropReason::kUnexpectedStun);
  }
  // RFC 8445 section 7.1: checks carry FINGERPRINT.
  if (!request.has_fingerprint()) return drop(DropReason::kMalformedStun);
  const std::optional<std::string_view> user =
      request.FindText(stun_attribute::kUsername);
  if (!user.has_value()) return drop(DropReason::kIceUserUnknown);
  const bool current = Matches(local_, *user);
  if (!current && !(former_.has_value() && Matches(*former_, *user))) {
    return drop(DropReason::kIceUserUnknown);
  }
  const Secret& password = current ? local_.password : former_->password;
  const std::optional<AuthenticatedStunMessage> check =
      VerifyIntegrity(request, password.DangerousBytes());
  if (!check.has_value()) return drop(DropReason::kWrongIntegrity);
  const StunIntegrity how = check->integrity();
  if (!request.unknown_required().empty()) {
    return Error(request, StunError::kUnknownAttribute, how, password, reply);
  }
  // RFC 8445 section 7.3.1.1: a lite agent stays controlled, so that a far side
  // that believes to be controlled is told to change.
  if (request.Has(stun_attribute::kIceControlled)) {
    return Error(request, StunError::kRoleConflict, how, password, reply);
  }
  StunWriter writer(reply, StunClass::kSuccess, request.method(),
                    request.transaction_id());
  writer.AddXorAddress(stun_attribute::kXorMappedAddress, from);
  AddIntegrity(writer, how, password);
  if (current && former_.has_value()) {
    // The restart has begun: earlier nominations do not count any more, but
    // media stays on its pair until the far side selects one.
    former_.reset();
    for (Remote& remote : remotes_) {
      remote.nominated = false;
      remote.priority = 0;
    }
  }
  OnCheck(request, from, current, now);
  return {DropReason::kNone, writer.finished()};
}

void IceLite::OnCheck(const StunMessage& request, const Endpoint& from,
                      bool may_nominate, MonoTime now) {
  Remote* remote = Find(from);
  if (remote == nullptr) {
    if (!may_nominate) return;
    if (remotes_.size() >= kMaxAddresses) {
      // The one that was silent longest, but not the selected one.
      auto oldest = remotes_.end();
      for (auto it = remotes_.begin(); it != remotes_.end(); ++it) {
        if (selected_ == it->address) continue;
        if (oldest == remotes_.end() || it->last_check < oldest->last_check) {
          oldest = it;
        }
      }
      remotes_.erase(oldest);
    }
    remotes_.push_back({from, now, 0, false});
    remote = &remotes_.back();
  }
  remote->last_check = now;
  if (state_ == State::kConsentLost || state_ == State::kWaiting) {
    state_ = selected_.has_value() ? State::kSelected : State::kChecked;
  }
  if (!may_nominate) return;
  remote->priority = request.FindUint32(stun_attribute::kPriority).value_or(0);
  if (!request.Has(stun_attribute::kUseCandidate)) return;
  remote->nominated = true;
  const Remote* const selected =
      selected_.has_value() ? Find(*selected_) : nullptr;
  if (selected == nullptr || !selected->nominated ||
      remote->priority >= selected->priority ||
      now - selected->last_check > kStale) {
    selected_ = from;
  }
  state_ = State::kSelected;
}

bool IceLite::IsValid(const Endpoint& from) const {
  return std::any_of(
      remotes_.begin(), remotes_.end(),
      [&](const Remote& remote) { return remote.address == from; });
}

std::optional<Endpoint> IceLite::destination() const {
  if (selected_.has_value()) return selected_;
  const auto newest = std::max_element(remotes_.begin(), remotes_.end(),
                                       [](const Remote& a, const Remote& b) {
                                         return a.last_check < b.last_check;
                                       });
  if (newest == remotes_.end()) return std::nullopt;
  return newest->address;
}

MonoTime IceLite::deadline() const {
  MonoTime first = MonoTime::InfiniteFuture();
  for (const Remote& remote : remotes_) {
    first = std::min(first, remote.last_check + kConsent);
  }
  return first;
}

bool IceLite::OnDeadline(MonoTime now) {
  std::erase_if(remotes_, [&](const Remote& remote) {
    return remote.last_check + kConsent <= now;
  });
  if (selected_.has_value() && Find(*selected_) == nullptr) selected_.reset();
  if (!selected_.has_value() && state_ == State::kSelected) {
    state_ = State::kChecked;
  }
  if (!remotes_.empty() || state_ == State::kWaiting ||
      state_ == State::kConsentLost) {
    return false;
  }
  state_ = State::kConsentLost;
  return true;
}

}  // namespace sallyport::media_relay
