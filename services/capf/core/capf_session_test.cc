#include "services/capf/core/capf_session.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "services/common/bytes/hex.h"

namespace sallyport::capf {
namespace {

constexpr uint32_t kId = 1;
const MonoTime kStart = MonoTime::FromOrigin(absl::Seconds(1000));

std::string Hex(const std::string& spaced) {
  return absl::HexStringToBytes(absl::StrReplaceAll(spaced, {{" ", ""}}));
}

std::string Wire(const CapfMessage& message) {
  return SerializeCapfMessage(message).value();
}

CapfMessage Make(CapfOpcode opcode) {
  CapfMessage message;
  message.opcode = opcode;
  message.session_id = kId;
  return message;
}

CapfMessage AuthResponse(int version = 3) {
  CapfMessage m = Make(CapfOpcode::kAuthResponse);
  m.reason = 1;
  m.protocol_version = static_cast<uint8_t>(version);
  m.authentication_string = "123456";
  m.device_name = "SEP58971ECC97C1";
  return m;
}

CapfMessage KeyResponse() {
  CapfMessage m = Make(CapfOpcode::kKeyGenerateResponse);
  m.public_key = std::vector<uint8_t>(294, 0x5a);
  return m;
}

CapfMessage Reasoned(CapfOpcode opcode, int reason) {
  CapfMessage m = Make(opcode);
  m.reason = static_cast<uint8_t>(reason);
  return m;
}

// A session with the small steps that every test repeats.
class CapfSessionTest : public testing::Test {
 protected:
  template <typename T>
  static const T* Find(const CapfSession::Actions& actions) {
    for (const CapfSession::Action& action : actions) {
      if (const T* found = std::get_if<T>(&action)) return found;
    }
    return nullptr;
  }
  static std::string Sent(const CapfSession::Actions& actions) {
    const auto* send = Find<CapfSession::Send>(actions);
    return send == nullptr ? "" : HexEncode(AsBytes(send->wire));
  }
  static bool Closed(const CapfSession::Actions& actions) {
    return Find<CapfSession::Close>(actions) != nullptr;
  }
  CapfSession::Actions Receive(const CapfMessage& message) {
    return session.OnData(AsBytes(Wire(message)), now);
  }
  CapfSession::Actions Authenticate(int version = 3) {
    session.OnSecured(now);
    return Receive(AuthResponse(version));
  }
  CapfSession::Actions Admit(Verdict verdict, KeyChoice key = {}) {
    return session.OnAdmission({.verdict = verdict,
                                .enrollment = "tenants/a/enrollments/e",
                                .key = key},
                               now);
  }
  void ReachStoreWait() {
    Authenticate();
    Admit(Verdict::kInstall);
    Receive(KeyResponse());
    session.OnIssued(IssuedLsc{"01aa", "DER"}, now);
    ASSERT_EQ(session.state(), CapfSession::State::kStoreWait);
  }

  CapfSessionOptions options;
  MonoTime now = kStart;
  CapfSession session{options, kId, kStart};
};

// The whole of pki.md 2.6 from the server's side, to the byte.
TEST_F(CapfSessionTest, InstallTranscriptRsa) {
  EXPECT_EQ(Sent(session.OnSecured(now)),
            "5501000000010008070001030800"
            "0100");
  auto actions = session.OnData(
      AsBytes(Hex("55 02 00000001 0025 010001 01 070001 03 0b0007 "
                  "31323334353600 0d0010 53455035383937314543433937433100")),
      now);
  const auto* claim = Find<CapfSession::Authenticate>(actions);
  ASSERT_NE(claim, nullptr);
  EXPECT_EQ(claim->claim.device_name, "SEP58971ECC97C1");
  EXPECT_EQ(claim->claim.authentication_string, "123456");
  EXPECT_EQ(Sent(actions), "");

  EXPECT_EQ(Sent(Admit(Verdict::kInstall, {KeyKind::kRsa, 2048})),
            "55030000000100090a0002080011000100");
  EXPECT_TRUE(session.OnData(AsBytes(Hex("55 11 00000001 0000")), now).empty());
  actions = Receive(KeyResponse());
  const auto* issue = Find<CapfSession::IssueLsc>(actions);
  ASSERT_NE(issue, nullptr);
  EXPECT_EQ(issue->spki, std::string(294, '\x5a'));
  EXPECT_EQ(issue->enrollment, "tenants/a/enrollments/e");

  EXPECT_EQ(Sent(session.OnIssued(IssuedLsc{"01aa", "\x30\x82\x01"}, now)),
            "550900000001000f0300010104000801000500013082"
            "01");
  actions = session.OnData(AsBytes(Hex("55 0a 00000001 0004 010001 01")), now);
  // pki.md 2.9.7: recorded only now, and END only after it is recorded.
  const auto* stored = Find<CapfSession::RecordStored>(actions);
  ASSERT_NE(stored, nullptr);
  EXPECT_EQ(stored->serial, "01aa");
  EXPECT_EQ(Sent(actions), "");
  actions = session.OnRecorded(absl::OkStatus(), now);
  EXPECT_EQ(Sent(actions), "550f00000001000401000101");
  EXPECT_TRUE(Closed(actions));
  EXPECT_EQ(session.end_reason(), CapfReason::kOk);
}

TEST_F(CapfSessionTest, EcKeyRequests) {
  Authenticate();
  EXPECT_EQ(Sent(Admit(Verdict::kInstall, {KeyKind::kEcP256, 0})),
            "55030000000100081100010112000100");
  CapfSession p384(options, kId, kStart);
  p384.OnSecured(now);
  p384.OnData(AsBytes(Wire(AuthResponse())), now);
  EXPECT_EQ(Sent(p384.OnAdmission({.verdict = Verdict::kInstall,
                                   .enrollment = "e",
                                   .key = {KeyKind::kEcP384, 0}},
                                  now)),
            "55030000000100081100010112000101");
}

// pki.md 2.7: version 2 knows no tags 17 and 18; capfd refuses it outright.
TEST_F(CapfSessionTest, VersionTwoIsAnsweredInItsDialect) {
  const auto actions = Authenticate(2);
  ASSERT_NE(Find<CapfSession::Authenticate>(actions), nullptr);
  EXPECT_EQ(Find<CapfSession::Authenticate>(actions)->claim.protocol_version,
            2);
  EXPECT_EQ(Sent(Admit(Verdict::kInstall, {KeyKind::kRsa, 2048})),
            "55030000000100050a00020800");
}

TEST_F(CapfSessionTest, ANewerVersionIsSpokenAsThree) {
  const auto actions = Authenticate(9);
  EXPECT_EQ(Find<CapfSession::Authenticate>(actions)->claim.protocol_version,
            3);
}

TEST_F(CapfSessionTest, HelloAsACallManagerSendsIt) {
  options.send_auth_type = false;
  CapfSession plain(options, kId, kStart);
  EXPECT_EQ(Sent(plain.OnSecured(now)), "550100000001000407000103");
}

TEST_F(CapfSessionTest, DeleteTranscript) {
  Authenticate();
  EXPECT_EQ(Sent(Admit(Verdict::kDelete)), "550d000000010000");
  auto actions = Receive(Reasoned(CapfOpcode::kDeleteCertResponse, 1));
  EXPECT_NE(Find<CapfSession::RecordDeleted>(actions), nullptr);
  EXPECT_EQ(Sent(session.OnRecorded(absl::OkStatus(), now)),
            "550f00000001000401000101");
}

TEST_F(CapfSessionTest, DeleteThatThePhoneRefused) {
  Authenticate();
  Admit(Verdict::kDelete);
  const auto actions = Receive(Reasoned(CapfOpcode::kDeleteCertResponse, 7));
  EXPECT_NE(Find<CapfSession::RecordFailure>(actions), nullptr);
  EXPECT_EQ(Find<CapfSession::RecordDeleted>(actions), nullptr);
  EXPECT_EQ(Sent(actions), "550f00000001000401000107");
}

TEST_F(CapfSessionTest, NothingPending) {
  Authenticate();
  const auto actions = Admit(Verdict::kNothingPending);
  EXPECT_EQ(Sent(actions), "550f00000001000401000100");
  EXPECT_TRUE(Closed(actions));
}

// pki.md 2.9.6: reasons 7 and 9 told which devices exist. Same bytes and the
// same time for both, however long the judgement took.
TEST_F(CapfSessionTest, UnknownDeviceAndWrongStringAreAlike) {
  for (const Verdict verdict : {Verdict::kRefused, Verdict::kUnknownDevice}) {
    for (const absl::Duration judging :
         {absl::ZeroDuration(), absl::Milliseconds(300)}) {
      CapfSession s(options, kId, kStart);
      s.OnSecured(kStart);
      s.OnData(AsBytes(Wire(AuthResponse())), kStart);
      EXPECT_TRUE(
          s.OnAdmission({.verdict = verdict}, kStart + judging).empty());
      EXPECT_EQ(s.deadline(), kStart + options.refusal_delay);
      EXPECT_TRUE(s.OnDeadline(kStart + absl::Milliseconds(999)).empty());
      const auto actions = s.OnDeadline(kStart + options.refusal_delay);
      EXPECT_EQ(Sent(actions), "550f00000001000401000107");
      EXPECT_TRUE(Closed(actions));
    }
  }
}

TEST_F(CapfSessionTest, UnknownDeviceIsToldOnlyBySetting) {
  options.dangerous_tell_unknown_device = true;
  CapfSession s(options, kId, kStart);
  s.OnSecured(now);
  s.OnData(AsBytes(Wire(AuthResponse())), now);
  s.OnAdmission({.verdict = Verdict::kUnknownDevice}, now);
  EXPECT_EQ(Sent(s.OnDeadline(now + options.refusal_delay)),
            "550f00000001000401000109");
}

TEST_F(CapfSessionTest, ABadClaimIsRefusedLikeAWrongString) {
  CapfMessage nameless = AuthResponse();
  nameless.device_name.reset();
  CapfMessage odd = AuthResponse();
  odd.device_name = "gw.example.test";
  CapfMessage old = AuthResponse(1);
  for (const CapfMessage& m : {nameless, odd, old}) {
    CapfSession s(options, kId, kStart);
    s.OnSecured(now);
    EXPECT_TRUE(s.OnData(AsBytes(Wire(m)), now).empty());
    EXPECT_EQ(Sent(s.OnDeadline(now + options.refusal_delay)),
              "550f00000001000401000107");
  }
}

// pki.md 2.9.8: the open server takes one recv for one message.
TEST_F(CapfSessionTest, ByteByByte) {
  session.OnSecured(now);
  CapfSession::Actions actions;
  const auto feed = [&](const CapfMessage& message) {
    const std::string wire = Wire(message);
    for (size_t i = 0; i < wire.size(); ++i) {
      actions = session.OnData(AsBytes(wire).subspan(i, 1), now);
      EXPECT_TRUE(i + 1 == wire.size() || actions.empty()) << i;
    }
  };
  feed(AuthResponse());
  ASSERT_NE(Find<CapfSession::Authenticate>(actions), nullptr);
  Admit(Verdict::kInstall);
  feed(KeyResponse());
  ASSERT_NE(Find<CapfSession::IssueLsc>(actions), nullptr);
  session.OnIssued(IssuedLsc{"01", "D"}, now);
  feed(Reasoned(CapfOpcode::kStoreCertResponse, 1));
  EXPECT_NE(Find<CapfSession::RecordStored>(actions), nullptr);
}

TEST_F(CapfSessionTest, ThePhoneRefusesTheCertificate) {
  ReachStoreWait();
  const auto actions = Receive(Reasoned(CapfOpcode::kStoreCertResponse, 7));
  const auto* failure = Find<CapfSession::RecordFailure>(actions);
  ASSERT_NE(failure, nullptr);
  EXPECT_EQ(failure->serial, "01aa");
  EXPECT_EQ(failure->reason, FailureReason::kInvalidLsc);
  EXPECT_EQ(Find<CapfSession::RecordStored>(actions), nullptr);
}

// pki.md 2.9.7: a connection lost before STORE_CERT_RESPONSE is no success.
TEST_F(CapfSessionTest, ALostConnectionIsAFailureAndKeepsTheCertificate) {
  ReachStoreWait();
  const auto actions = session.OnClosed(now);
  const auto* failure = Find<CapfSession::RecordFailure>(actions);
  ASSERT_NE(failure, nullptr);
  EXPECT_EQ(failure->serial, "");
  EXPECT_EQ(failure->reason, FailureReason::kPhoneCommunicationFailure);
  EXPECT_EQ(Find<CapfSession::RecordStored>(actions), nullptr);
  EXPECT_EQ(session.state(), CapfSession::State::kOver);
}

TEST_F(CapfSessionTest, UnrecordedIsNotOk) {
  ReachStoreWait();
  Receive(Reasoned(CapfOpcode::kStoreCertResponse, 1));
  EXPECT_EQ(Sent(session.OnRecorded(absl::UnavailableError("disk"), now)),
            "550f00000001000401000107");
}

TEST_F(CapfSessionTest, IssuingThatFailed) {
  Authenticate();
  Admit(Verdict::kInstall);
  Receive(KeyResponse());
  const auto actions = session.OnIssued(absl::InternalError("no"), now);
  EXPECT_EQ(Sent(actions), "550f00000001000401000107");
  EXPECT_TRUE(Closed(actions));
}

TEST_F(CapfSessionTest, NoKeyIsAFailedGeneration) {
  Authenticate();
  Admit(Verdict::kInstall);
  const auto actions = Receive(Reasoned(CapfOpcode::kKeyGenerateResponse, 7));
  EXPECT_EQ(Find<CapfSession::RecordFailure>(actions)->reason,
            FailureReason::kKeyGenerationFailed);
}

TEST_F(CapfSessionTest, WhatBreaksTheProtocolEndsWithoutAWord) {
  // Another session's id.
  CapfMessage foreign = AuthResponse();
  foreign.session_id = 2;
  // A server's message, or a phone's at the wrong time.
  for (const CapfMessage& m :
       {foreign, Make(CapfOpcode::kStoreCertRequest), KeyResponse(),
        Reasoned(CapfOpcode::kStoreCertResponse, 1),
        Make(CapfOpcode::kRequestInProgress)}) {
    CapfSession s(options, kId, kStart);
    s.OnSecured(now);
    const auto actions = s.OnData(AsBytes(Wire(m)), now);
    EXPECT_EQ(Sent(actions), "");
    EXPECT_TRUE(Closed(actions));
    EXPECT_EQ(s.state(), CapfSession::State::kOver);
    EXPECT_TRUE(s.OnData(AsBytes("x"), now).empty());
  }
  CapfSession s(options, kId, kStart);
  s.OnSecured(now);
  EXPECT_TRUE(Closed(s.OnData(AsBytes("GET / HTTP/1.0"), now)));
}

TEST_F(CapfSessionTest, OversizeEndsAtOnce) {
  session.OnSecured(now);
  EXPECT_TRUE(Closed(session.OnData(AsBytes(Hex("55 02 00000001 ffff")), now)));
}

TEST_F(CapfSessionTest, DataWhileWeWorkIsBounded) {
  Authenticate();
  CapfSession::Actions actions;
  size_t fed = 0;
  const std::string chunk(4096, 'x');
  while (session.state() == CapfSession::State::kJudging && fed < (1 << 20)) {
    actions = session.OnData(AsBytes(chunk), now);
    fed += chunk.size();
  }
  EXPECT_TRUE(Closed(actions));
  EXPECT_LT(fed, 64u * 1024);
}

TEST_F(CapfSessionTest, EveryStateHasItsDeadline) {
  EXPECT_EQ(session.deadline(), kStart + options.pre_auth_timeout);
  EXPECT_TRUE(Closed(session.OnDeadline(session.deadline())));

  CapfSession asking(options, kId, kStart);
  asking.OnSecured(now + absl::Seconds(3));
  EXPECT_EQ(asking.deadline(),
            now + absl::Seconds(3) + options.pre_auth_timeout);
  // Octets do not extend it: ten seconds for the whole claim.
  asking.OnData(AsBytes("\x55"), now + absl::Seconds(9));
  EXPECT_EQ(asking.deadline(),
            now + absl::Seconds(3) + options.pre_auth_timeout);
  EXPECT_TRUE(Closed(asking.OnDeadline(asking.deadline())));

  CapfSession key(options, kId, kStart);
  key.OnSecured(now);
  key.OnData(AsBytes(Wire(AuthResponse())), now);
  key.OnAdmission({.verdict = Verdict::kInstall, .enrollment = "e"}, now);
  EXPECT_EQ(key.deadline(), now + options.key_generation_timeout);
  key.OnData(AsBytes(Wire(Make(CapfOpcode::kRequestInProgress))),
             now + absl::Minutes(44));
  EXPECT_EQ(key.deadline(), now + options.key_generation_timeout);
  EXPECT_TRUE(key.OnDeadline(now + absl::Minutes(44)).empty());
  const auto actions = key.OnDeadline(key.deadline());
  EXPECT_EQ(Find<CapfSession::RecordFailure>(actions)->reason,
            FailureReason::kKeyGenerationFailed);
}

TEST_F(CapfSessionTest, APhoneThatStopsAtStoreIsAFailure) {
  ReachStoreWait();
  EXPECT_EQ(session.deadline(), now + options.answer_timeout);
  const auto actions = session.OnDeadline(session.deadline());
  EXPECT_EQ(Find<CapfSession::RecordFailure>(actions)->reason,
            FailureReason::kPhoneCommunicationFailure);
  EXPECT_EQ(Find<CapfSession::RecordFailure>(actions)->serial, "");
  EXPECT_TRUE(Closed(actions));
}

TEST_F(CapfSessionTest, LateAnswersToAGoneSessionDoNothing) {
  Authenticate();
  session.OnClosed(now);
  EXPECT_TRUE(Admit(Verdict::kInstall).empty());
  EXPECT_TRUE(session.OnIssued(IssuedLsc{"01", "D"}, now).empty());
  EXPECT_TRUE(session.OnRecorded(absl::OkStatus(), now).empty());
  EXPECT_EQ(session.deadline(), MonoTime::InfiniteFuture());
}

}  // namespace
}  // namespace sallyport::capf
