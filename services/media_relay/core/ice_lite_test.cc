#include "services/media_relay/core/ice_lite.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/random/fake_random.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/stun_error.h"
#include "services/media_relay/core/stun_integrity.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"

namespace sallyport::media_relay {
namespace {

constexpr char kRemote[] = "fara";

Endpoint At(uint8_t host, uint16_t port = 4000) {
  return {IpAddress::V4({192, 0, 2, host}), port};
}

struct Check {
  std::string user;
  std::string password;
  uint32_t priority = 100;
  bool nominate = false;
  bool sha256 = false;
  bool controlled = false;
  bool fingerprint = true;
  bool integrity = true;
  uint16_t extra = 0;  // a type to add
  StunClass message_class = StunClass::kRequest;
  StunMethod method = StunMethod::kBinding;

  std::string Bytes() const {
    std::array<uint8_t, 512> buffer;
    StunWriter writer(absl::MakeSpan(buffer), message_class,
                      static_cast<uint16_t>(method), {1, 2, 3});
    if (!user.empty()) writer.AddText(stun_attribute::kUsername, user);
    writer.AddUint32(stun_attribute::kPriority, priority);
    const std::array<uint8_t, 8> tie = {9};
    writer.AddBytes(controlled ? stun_attribute::kIceControlled
                               : stun_attribute::kIceControlling,
                    tie);
    if (nominate) writer.AddBytes(stun_attribute::kUseCandidate, {});
    if (extra != 0) writer.AddUint32(extra, 0);
    if (integrity && sha256) writer.AddIntegritySha256(AsBytes(password));
    if (integrity && !sha256) writer.AddIntegritySha1(AsBytes(password));
    if (fingerprint) writer.AddFingerprint();
    return ToString(writer.finished());
  }
};

class IceLiteTest : public testing::Test {
 protected:
  IceLiteTest() : ice_(random_) { ice_.SetRemoteUfrag(kRemote); }

  Check Good() const {
    Check check;
    check.user = ice_.local_ufrag() + ":" + kRemote;
    check.password = std::string(ice_.local_password().DangerousText());
    return check;
  }
  Check Nominating(uint32_t priority = 100) const {
    Check check = Good();
    check.nominate = true;
    check.priority = priority;
    return check;
  }
  IceLite::Answer Send(const Check& check, const Endpoint& from) {
    bytes_ = check.Bytes();
    return ice_.OnPacket(AsBytes(bytes_), from, absl::MakeSpan(reply_), now_);
  }
  void Expect(DropReason reason, const Check& check) {
    const IceLite::Answer answer = Send(check, At(9));
    EXPECT_EQ(answer.drop, reason) << DropReasonName(answer.drop);
    EXPECT_TRUE(answer.reply.empty());
    EXPECT_FALSE(ice_.IsValid(At(9)));
  }
  // The code of an error answer that is itself authenticated.
  int ErrorOf(const Check& check, const Endpoint& from) {
    const IceLite::Answer answer = Send(check, from);
    const auto message = ParseStunMessage(answer.reply);
    if (!message.ok() || message->message_class() != StunClass::kError ||
        !message->has_fingerprint() ||
        !VerifyIntegrity(*message, AsBytes(check.password)).has_value()) {
      return 0;
    }
    const uint32_t value =
        message->FindUint32(stun_attribute::kErrorCode).value_or(0);
    return static_cast<int>((value >> 8) * 100 + (value & 0xFF));
  }

  FakeRandom random_;
  IceLite ice_;
  MonoTime now_ = MonoTime::FromOrigin(absl::Seconds(100));
  std::string bytes_;
  std::array<uint8_t, 512> reply_ = {};
};

TEST_F(IceLiteTest, Rfc8445CredentialsHaveTheEntropyAndTheCharacters) {
  EXPECT_TRUE(IsIceUfrag(ice_.local_ufrag()));
  EXPECT_EQ(ice_.local_ufrag().size(), 8u);
  EXPECT_GE(ice_.local_password().size(), 22u);  // RFC 8839 section 5.4
  EXPECT_FALSE(IsIceUfrag("abc"));
  EXPECT_FALSE(IsIceUfrag("ab:c"));
  EXPECT_FALSE(IsIceUfrag(std::string(257, 'a')));
}

TEST_F(IceLiteTest, Rfc8445AnswersAnAuthenticatedCheckWithTheMappedAddress) {
  for (const bool sha256 : {false, true}) {
    Check check = Good();
    check.sha256 = sha256;
    const IceLite::Answer answer = Send(check, At(1));
    ASSERT_EQ(answer.drop, DropReason::kNone);
    const auto message = ParseStunMessage(answer.reply);
    ASSERT_TRUE(message.ok());
    EXPECT_TRUE(message->Is(StunClass::kSuccess, StunMethod::kBinding));
    EXPECT_EQ(message->FindXorAddress(stun_attribute::kXorMappedAddress),
              At(1));
    EXPECT_TRUE(message->has_fingerprint());
    const auto verified = VerifyIntegrity(*message, AsBytes(check.password));
    ASSERT_TRUE(verified.has_value());
    EXPECT_EQ(verified->integrity(),
              sha256 ? StunIntegrity::kSha256 : StunIntegrity::kSha1);
  }
  EXPECT_TRUE(ice_.IsValid(At(1)));
  EXPECT_FALSE(ice_.IsValid(At(2)));
  EXPECT_FALSE(ice_.IsValid(At(1, 4001)));
  EXPECT_EQ(ice_.state(), IceLite::State::kChecked);
  EXPECT_EQ(ice_.destination(), At(1));
}

TEST_F(IceLiteTest, WithoutTheRightWordsNothingIsAnsweredOrRemembered) {
  Check check = Good();
  check.password.back() ^= 1;
  Expect(DropReason::kWrongIntegrity, check);
  check = Good();
  check.integrity = false;
  Expect(DropReason::kWrongIntegrity, check);
  check = Good();
  check.fingerprint = false;
  Expect(DropReason::kMalformedStun, check);
  check = Good();
  check.user.clear();
  Expect(DropReason::kIceUserUnknown, check);
  for (const std::string& user :
       {std::string("x:") + kRemote, ice_.local_ufrag(),
        ice_.local_ufrag() + ":", ice_.local_ufrag() + ":other",
        ice_.local_ufrag() + kRemote,
        std::string(kRemote) + ":" + ice_.local_ufrag()}) {
    check = Good();
    check.user = user;
    Expect(DropReason::kIceUserUnknown, check);
  }
  check = Good();
  check.message_class = StunClass::kIndication;
  Expect(DropReason::kUnexpectedStun, check);
  check = Good();
  check.method = StunMethod::kAllocate;
  Expect(DropReason::kUnexpectedStun, check);
  EXPECT_EQ(ice_.state(), IceLite::State::kWaiting);
  EXPECT_FALSE(ice_.destination().has_value());
  EXPECT_EQ(ice_.deadline(), MonoTime::InfiniteFuture());
}

TEST_F(IceLiteTest, Rfc8445ControlledPeerIsToldOfTheRoleConflict) {
  Check check = Good();
  check.controlled = true;
  check.nominate = true;
  EXPECT_EQ(ErrorOf(check, At(1)), 487);
  EXPECT_FALSE(ice_.IsValid(At(1)));
}

TEST_F(IceLiteTest, Rfc8489UnknownRequiredAttributesGet420) {
  Check check = Good();
  check.extra = 0x7777;
  EXPECT_EQ(ErrorOf(check, At(1)), 420);
  EXPECT_FALSE(ice_.IsValid(At(1)));
}

TEST_F(IceLiteTest, ChecksMayComeBeforeTheFarSidesAnswer) {
  IceLite early(random_);
  Check check;
  check.user = early.local_ufrag() + ":anything";
  check.password = std::string(early.local_password().DangerousText());
  const std::string bytes = check.Bytes();
  EXPECT_EQ(
      early.OnPacket(AsBytes(bytes), At(1), absl::MakeSpan(reply_), now_).drop,
      DropReason::kNone);
  EXPECT_TRUE(early.IsValid(At(1)));
}

TEST_F(IceLiteTest, UseCandidateSelectsAndHigherPrioritySelectsAnew) {
  Send(Good(), At(1));
  Send(Nominating(50), At(2));
  EXPECT_EQ(ice_.state(), IceLite::State::kSelected);
  EXPECT_EQ(ice_.destination(), At(2));
  // A mere check does not move it.
  Send(Good(), At(1));
  EXPECT_EQ(ice_.destination(), At(2));
  Send(Nominating(60), At(3));
  EXPECT_EQ(ice_.destination(), At(3));
  // Lower priority, while the selected pair lives.
  Send(Nominating(50), At(1));
  EXPECT_EQ(ice_.destination(), At(3));
  // The far side has left the selected pair.
  now_ += IceLite::kStale + absl::Seconds(1);
  Send(Nominating(50), At(1));
  EXPECT_EQ(ice_.destination(), At(1));
}

TEST_F(IceLiteTest, Rfc7675ConsentEndsThirtySecondsAfterTheLastCheck) {
  Send(Nominating(), At(1));
  EXPECT_EQ(ice_.deadline(), now_ + absl::Seconds(30));
  now_ += absl::Seconds(20);
  Send(Good(), At(1));
  now_ += absl::Seconds(29);
  EXPECT_FALSE(ice_.OnDeadline(now_));
  EXPECT_EQ(ice_.destination(), At(1));
  now_ += absl::Seconds(1);
  EXPECT_TRUE(ice_.OnDeadline(now_));
  EXPECT_EQ(ice_.state(), IceLite::State::kConsentLost);
  EXPECT_FALSE(ice_.destination().has_value());
  EXPECT_FALSE(ice_.IsValid(At(1)));
  EXPECT_EQ(ice_.deadline(), MonoTime::InfiniteFuture());
  EXPECT_FALSE(ice_.OnDeadline(now_));  // told once
  // A check brings it back.
  Send(Nominating(), At(2));
  EXPECT_EQ(ice_.state(), IceLite::State::kSelected);
}

TEST_F(IceLiteTest, AddressesAreBoundedAndTheSelectedOneStays) {
  Send(Nominating(), At(200));
  for (uint8_t i = 1; i <= 60; ++i) {
    now_ += absl::Milliseconds(10);
    Send(Good(), At(i));
  }
  EXPECT_TRUE(ice_.IsValid(At(200)));
  size_t valid = 0;
  for (uint8_t i = 1; i <= 60; ++i) valid += ice_.IsValid(At(i)) ? 1 : 0;
  EXPECT_EQ(valid, IceLite::kMaxAddresses - 1);
  EXPECT_TRUE(ice_.IsValid(At(60)));
  EXPECT_EQ(ice_.destination(), At(200));
}

TEST_F(IceLiteTest, Rfc8445RestartDrawsNewCredentialsAndKeepsThePairMeanwhile) {
  Send(Nominating(), At(1));
  const Check old = Good();
  const std::string ufrag = ice_.local_ufrag();
  ice_.SetRemoteUfrag(kRemote);
  EXPECT_EQ(ice_.local_ufrag(), ufrag);
  ice_.Restart(random_);
  EXPECT_EQ(ice_.remote_ufrag(), "");
  ice_.SetRemoteUfrag("newfrag");
  EXPECT_NE(ice_.local_ufrag(), ufrag);
  EXPECT_NE(ice_.local_password().DangerousText(), old.password);
  // The far side does not know yet: its consent goes on, on the old pair only.
  now_ += absl::Seconds(25);
  EXPECT_EQ(Send(old, At(1)).drop, DropReason::kNone);
  EXPECT_EQ(ice_.deadline(), now_ + absl::Seconds(30));
  Send(old, At(5));
  EXPECT_FALSE(ice_.IsValid(At(5)));
  EXPECT_EQ(ice_.destination(), At(1));
  // Now it does.
  Check fresh;
  fresh.user = ice_.local_ufrag() + ":newfrag";
  fresh.password = std::string(ice_.local_password().DangerousText());
  fresh.priority = 1;
  EXPECT_EQ(Send(fresh, At(2)).drop, DropReason::kNone);
  EXPECT_EQ(ice_.destination(), At(1));
  fresh.nominate = true;
  Send(fresh, At(2));
  EXPECT_EQ(ice_.destination(), At(2));
  EXPECT_EQ(Send(old, At(1)).drop, DropReason::kIceUserUnknown);
}

// The offer was forked, and another branch answers in the end.
TEST_F(IceLiteTest, AnotherFarSideOfTheSameOfferKeepsOurCredentials) {
  Send(Nominating(), At(1));
  const Check former = Good();
  const std::string ufrag = ice_.local_ufrag();
  ice_.SetRemoteUfrag("branch2");
  EXPECT_EQ(ice_.local_ufrag(), ufrag);
  EXPECT_EQ(ice_.state(), IceLite::State::kWaiting);
  EXPECT_FALSE(ice_.IsValid(At(1)));
  EXPECT_EQ(ice_.destination(), std::nullopt);
  EXPECT_EQ(Send(former, At(1)).drop, DropReason::kIceUserUnknown);
  Check other = Good();
  other.user = ufrag + ":branch2";
  EXPECT_EQ(Send(other, At(2)).drop, DropReason::kNone);
  EXPECT_EQ(ice_.destination(), At(2));
}

}  // namespace
}  // namespace sallyport::media_relay
