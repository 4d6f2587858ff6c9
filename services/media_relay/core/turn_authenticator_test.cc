#include "services/media_relay/core/turn_authenticator.h"

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/digest.h"
#include "services/common/random/fake_random.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/credential_keys.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/peer_policy.h"
#include "services/media_relay/core/port_pool.h"
#include "services/media_relay/core/stun_integrity.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/core/turn_server_fixture.h"
#include "services/media_relay/core/turn_test_client.h"

namespace sallyport::media_relay {
namespace {

namespace attr = stun_attribute;

TEST_F(TurnServerTest, BindingTellsTheClientItsAddress) {
  const std::string answer = Deliver(client_->Bare(StunMethod::kBinding));
  EXPECT_EQ(ParseStunMessage(AsBytes(answer))
                ->FindXorAddress(attr::kXorMappedAddress),
            At("203.0.113.9", 5000));
  EXPECT_EQ(action_.socket, kListener);
  EXPECT_EQ(server_->stats().binding_answers, 1u);
}

// AVE-06, AVE-12: nobody allocates without credentials.
TEST_F(TurnServerTest, FirstAllocateIsChallenged) {
  const std::string answer = Deliver(client_->Bare(StunMethod::kAllocate, Udp));
  EXPECT_EQ(TurnTestClient::CodeOf(answer), 401);
  const auto message = ParseStunMessage(AsBytes(answer));
  EXPECT_EQ(message->FindText(attr::kRealm), "sallyport");
  EXPECT_TRUE(message->Has(attr::kNonce));
  EXPECT_FALSE(message->Has(attr::kSoftware));
  EXPECT_FALSE(message->Has(attr::kMappedAddress));
  EXPECT_TRUE(opened_.empty());
  EXPECT_EQ(ports_->out_count(), 0u);
}

TEST_F(TurnServerTest, Sha256IsOfferedToLongerRequestsAndWorks) {
  client_->software = true;
  client_->fingerprint = true;
  Challenge();
  EXPECT_TRUE(client_->offered);
  EXPECT_EQ(client_->nonce.substr(0, 13), "obMatJos2gAAA");
  client_->use_sha256 = true;
  EXPECT_EQ(Ask(StunMethod::kAllocate, Udp), 0);
  const auto message = ParseStunMessage(AsBytes(answer_));
  EXPECT_NE(message->integrity_sha256_offset(), 0u);
  EXPECT_EQ(message->integrity_offset(), 0u);
  EXPECT_TRUE(message->has_fingerprint());
  EXPECT_TRUE(VerifyIntegrity(*message, client_->Key().bytes()).has_value());
}

// RFC 8489 sections 9.2.1, 9.2.4 and 14.4: username anonymity is not offered,
// as a name that nobody has told cannot be found by its hash. A client that
// sends USERHASH all the same is one of no known user.
TEST_F(TurnServerTest, UserhashIsNotOfferedAndNamesNobody) {
  client_->software = true;
  Challenge();
  std::string features;
  ASSERT_TRUE(absl::Base64Unescape(client_->nonce.substr(9, 4), &features));
  EXPECT_EQ(features, std::string("\x80\0\0", 3));  // bit 0 alone

  client_->userhash =
      ToString(Sha256(AsBytes(client_->username + ":" + client_->realm)));
  EXPECT_EQ(Ask(StunMethod::kAllocate, Udp), 401);
  const auto answer = ParseStunMessage(AsBytes(answer_));
  EXPECT_TRUE(answer->Has(attr::kRealm));
  EXPECT_TRUE(answer->Has(attr::kPasswordAlgorithms));
  EXPECT_EQ(answer->FindText(attr::kNonce)->substr(0, 13), "obMatJos2gAAA");
  // It is known, so never among the unknown ones.
  EXPECT_TRUE(answer->unknown_required().empty());
  EXPECT_TRUE(server_->allocations().size() == 0 && opened_.empty());

  client_->both_names = true;
  EXPECT_EQ(Ask(StunMethod::kAllocate, Udp), 400);
  client_->both_names = false;
  // Whoever puts the bit into a nonce on its way has spoilt the nonce.
  const std::string nonce = client_->nonce;
  client_->nonce.replace(9, 4, "wAAA");
  EXPECT_EQ(Ask(StunMethod::kAllocate, Udp), 438);
  client_->nonce = nonce;
  client_->userhash.clear();
  client_->use_sha256 = true;
  EXPECT_EQ(Ask(StunMethod::kAllocate, Udp), 0);
}

// IMP-70: in FIPS mode no key is made with MD5. SHA-256 is offered to every
// request, so that no client is left without a way.
TEST_F(TurnServerTest, InFipsModeSha256IsTheOnlyAlgorithm) {
  options_.authenticator.approved_only = true;
  Start();
  const std::string question = client_->Bare(StunMethod::kAllocate, Udp);
  const std::string challenge = Deliver(question);
  EXPECT_LE(static_cast<double>(challenge.size()),
            2.9 * static_cast<double>(question.size()));
  const auto parsed = ParseStunMessage(AsBytes(challenge));
  EXPECT_EQ(parsed->Find(attr::kPasswordAlgorithms),
            absl::MakeConstSpan(kApprovedPasswordAlgorithmsValue));
  Challenge();
  // Bit 0 of the nonce says that the list is ours, and 400 ends it.
  EXPECT_EQ(Ask(StunMethod::kAllocate, Udp), 400);
  for (const auto& list :
       {absl::MakeConstSpan(kPasswordAlgorithmsValue).subspan(0),
        absl::MakeConstSpan(kApprovedPasswordAlgorithmsValue).subspan(0)}) {
    EXPECT_EQ(Ask(StunMethod::kAllocate,
                  [&](StunWriter& w) {
                    Udp(w);
                    w.AddPasswordAlgorithms(list);
                    w.AddBytes(attr::kPasswordAlgorithm, {0, 1, 0, 0});
                  }),
              400);
  }
  EXPECT_TRUE(opened_.empty());
  client_->use_sha256 = true;
  client_->approved_only = true;
  EXPECT_EQ(Ask(StunMethod::kAllocate, Udp), 0);
  EXPECT_NE(ParseStunMessage(AsBytes(answer_))->integrity_sha256_offset(), 0u);
}

TEST_F(TurnServerTest, ChangedPasswordAlgorithmsAreABidDown) {
  client_->software = true;
  Challenge();
  EXPECT_EQ(Ask(StunMethod::kAllocate,
                [](StunWriter& w) {
                  Udp(w);
                  w.AddBytes(attr::kPasswordAlgorithms, {0, 1, 0, 0});
                  w.AddBytes(attr::kPasswordAlgorithm, {0, 1, 0, 0});
                }),
            400);
  EXPECT_EQ(Ask(StunMethod::kAllocate,
                [](StunWriter& w) {
                  Udp(w);
                  w.AddPasswordAlgorithms();
                }),
            400);
  EXPECT_EQ(Ask(StunMethod::kAllocate,
                [](StunWriter& w) {
                  Udp(w);
                  w.AddPasswordAlgorithms();
                  w.AddBytes(attr::kPasswordAlgorithm, {0, 9, 0, 0});
                }),
            400);
}

TEST_F(TurnServerTest, Amplification) {
  struct Case {
    const char* name;
    std::string wire;
    double most;
  };
  TurnTestClient& c = *client_;
  std::vector<Case> cases = {
      {"binding", c.Bare(StunMethod::kBinding), 1.6},
      {"allocate", c.Bare(StunMethod::kAllocate, Udp), 2.6},
      {"refresh", c.Bare(StunMethod::kRefresh), 2.6},
      {"permission", c.Bare(StunMethod::kCreatePermission, Peer(kPeer)), 2.6},
      {"channel", c.Bare(StunMethod::kChannelBind, Channel(0x4000, kPeer)),
       2.6},
      {"unknown attribute",
       c.Bare(StunMethod::kBinding,
              [](StunWriter& w) { w.AddBytes(0x7FFF, {}); }),
       2.6},
      {"stale", c.Signed(StunMethod::kAllocate, Udp), 1},
  };
  c.software = true;
  cases.push_back({"offer", c.Bare(StunMethod::kAllocate, Udp), 2.6});
  for (const Case& k : cases) {
    const std::string answer = Deliver(k.wire);
    EXPECT_LE(static_cast<double>(answer.size()),
              k.most * static_cast<double>(k.wire.size()))
        << k.name << " " << answer.size() << "/" << k.wire.size();
  }
  // The figures quoted in the README.
  EXPECT_EQ(Deliver(cases[0].wire).size(), 32u);
  EXPECT_EQ(Deliver(cases[1].wire).size(), 72u);
  EXPECT_EQ(cases[1].wire.size(), 28u);
}

TEST_F(TurnServerTest, UnauthenticatedAnswersAreLimitedPerSource) {
  const std::string wire = client_->Bare(StunMethod::kAllocate, Udp);
  int answered = 0;
  for (int i = 0; i < 200; ++i) answered += Deliver(wire).empty() ? 0 : 1;
  EXPECT_EQ(answered, 50);
  EXPECT_EQ(action_.drop, DropReason::kRateLimited);
  EXPECT_NE(Deliver(wire, At("203.0.113.10", 5000)), "");
  now_.mono += absl::Seconds(1);
  EXPECT_NE(Deliver(wire), "");
}

TEST_F(TurnServerTest, NoStateForAMillionUnauthenticatedSources) {
  const std::string wire = client_->Bare(StunMethod::kAllocate, Udp);
  const std::string forged = client_->Signed(StunMethod::kAllocate, Udp);
  for (uint32_t i = 0; i < 20000; ++i) {
    const uint8_t ip[4] = {11, static_cast<uint8_t>(i >> 16),
                           static_cast<uint8_t>(i >> 8),
                           static_cast<uint8_t>(i)};
    const Endpoint from{IpAddress::FromBytes(ip), 1024};
    Deliver(wire, from);
    Deliver(forged, from);
  }
  EXPECT_EQ(server_->allocations().size(), 0u);
  EXPECT_TRUE(opened_.empty());
  EXPECT_EQ(Allocate(), 0);
}

TEST_F(TurnServerTest, WrongPasswordIsDroppedOrAnswered) {  // AVE-16
  Challenge();
  client_->password = "wrong";
  EXPECT_EQ(Deliver(client_->Signed(StunMethod::kAllocate, Udp)), "");
  EXPECT_EQ(action_.drop, DropReason::kWrongIntegrity);
  options_.authenticator.answer_wrong_integrity = true;
  Start();
  Challenge();
  client_->password = "wrong";
  EXPECT_EQ(Ask(StunMethod::kAllocate, Udp), 401);
}

TEST_F(TurnServerTest, StaleAndForeignNoncesGet438WithAFreshOne) {
  Challenge();
  Advance(absl::Minutes(11));
  EXPECT_EQ(Ask(StunMethod::kAllocate, Udp), 438);
  client_->TakeChallenge(answer_);
  EXPECT_EQ(Ask(StunMethod::kAllocate, Udp), 0);
  client_->nonce = "made up";
  EXPECT_EQ(Ask(StunMethod::kRefresh), 438);
}

TEST_F(TurnServerTest, NonceOfAnotherAddressIsForeign) {
  Challenge();
  EXPECT_EQ(TurnTestClient::CodeOf(
                Deliver(client_->Signed(StunMethod::kAllocate, Udp),
                        At("203.0.113.9", 5001))),
            438);
}

TEST_F(TurnServerTest, NonceSurvivesKeyRotation) {
  options_.authenticator.nonce_lifetime = absl::Hours(2);
  Start();
  Advance(absl::Hours(3) + absl::Minutes(59));
  client_.emplace(now_.wall, random_);
  Challenge();
  Advance(absl::Minutes(2));  // the nonce key rotates every four hours
  EXPECT_EQ(Ask(StunMethod::kAllocate, Udp), 0);
}

TEST_F(TurnServerTest, CredentialAttributesMustBeComplete) {
  Challenge();
  TurnTestClient& c = *client_;
  for (const uint16_t missing : {attr::kUsername, attr::kRealm, attr::kNonce}) {
    std::string wire = c.Bare(StunMethod::kAllocate, [&](StunWriter& w) {
      Udp(w);
      if (missing != attr::kUsername) w.AddText(attr::kUsername, c.username);
      if (missing != attr::kRealm) w.AddText(attr::kRealm, c.realm);
      if (missing != attr::kNonce) w.AddText(attr::kNonce, c.nonce);
      w.AddIntegritySha1(c.Key().bytes());
    });
    EXPECT_EQ(TurnTestClient::CodeOf(Deliver(wire)), 400) << missing;
  }
}

TEST_F(TurnServerTest, CredentialsThatAreNotGood) {
  Challenge();
  const std::string good = client_->username;
  client_->username = "not of our form";
  EXPECT_EQ(Ask(StunMethod::kAllocate, Udp), 401);
  client_->username = good;
  client_->username[5] = client_->username[5] == 'A' ? 'B' : 'A';
  EXPECT_EQ(Ask(StunMethod::kAllocate, Udp), 401);
  client_->username = good;
  EXPECT_EQ(Ask(StunMethod::kAllocate, Udp), 0);
}

// AVE-19: after its end no new allocation.
TEST_F(TurnServerTest, ExpiredCredentialIsRefused) {  // AVE-18
  Advance(absl::Hours(1) + absl::Seconds(1));
  Challenge();
  EXPECT_EQ(Ask(StunMethod::kAllocate, Udp), 401);
}

// AVE-06: nor where credentials cannot be checked.
TEST_F(TurnServerTest, WithoutKeysEveryCredentialIsRefused) {
  SocketActions sockets;
  server_->OnKeys(nullptr, now_, sockets);
  EXPECT_EQ(Allocate(), 401);
}

}  // namespace
}  // namespace sallyport::media_relay
