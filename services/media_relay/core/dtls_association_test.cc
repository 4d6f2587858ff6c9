#include "services/media_relay/core/dtls_association.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/certificate_fingerprint.h"
#include "services/media_relay/core/dtls_endpoint.h"
#include "services/media_relay/core/dtls_identity.h"
#include "services/media_relay/core/srtp_policy.h"

namespace sallyport::media_relay {
namespace {

using Failure = DtlsAssociation::Failure;
using State = DtlsAssociation::State;

std::shared_ptr<const DtlsIdentity> NewIdentity() {
  return DtlsIdentity::Create(absl::FromUnixSeconds(1700000000)).value();
}

SrtpProfiles Only(SrtpSuite suite) {
  SrtpProfiles out;
  out.Add(suite);
  return out;
}

// Two ends and what is between them.
class DtlsAssociationTest : public testing::Test {
 protected:
  void Make(SrtpProfiles client = SrtpProfiles::Default(),
            SrtpProfiles server = SrtpProfiles::Default()) {
    server_ =
        DtlsAssociation::Create(server_identity_, DtlsRole::kServer, server,
                                client_identity_->fingerprint(), now_)
            .value();
    client_ =
        DtlsAssociation::Create(client_identity_, DtlsRole::kClient, client,
                                server_identity_->fingerprint(), now_)
            .value();
  }
  // Carries datagrams until none are left.
  void Carry() {
    for (int i = 0; i < 20; ++i) {
      const auto to_server = client_->TakeDatagrams();
      for (const auto& d : to_server) server_->OnDatagram(AsBytes(d), now_);
      const auto to_client = server_->TakeDatagrams();
      for (const auto& d : to_client) client_->OnDatagram(AsBytes(d), now_);
      if (to_server.empty() && to_client.empty()) return;
    }
    FAIL() << "the two never fall silent";
  }
  void ExpectSameKeys(SrtpSuite suite) {
    ASSERT_EQ(client_->state(), State::kOpen);
    ASSERT_EQ(server_->state(), State::kOpen);
    const auto client = client_->TakeKeys();
    const auto server = server_->TakeKeys();
    ASSERT_TRUE(client.has_value() && server.has_value());
    EXPECT_EQ(client->suite, suite);
    EXPECT_EQ(server->suite, suite);
    EXPECT_EQ(client->local.size(), KeySaltSize(suite));
    EXPECT_TRUE(client->local == server->remote);
    EXPECT_TRUE(client->remote == server->local);
    EXPECT_FALSE(client->local == client->remote);
    EXPECT_FALSE(client_->TakeKeys().has_value());
  }

  MonoTime now_ = MonoTime::FromOrigin(absl::Seconds(5));
  std::shared_ptr<const DtlsIdentity> client_identity_ = NewIdentity();
  std::shared_ptr<const DtlsIdentity> server_identity_ = NewIdentity();
  std::unique_ptr<DtlsAssociation> client_;
  std::unique_ptr<DtlsAssociation> server_;
};

TEST_F(DtlsAssociationTest, Rfc5764EachProfileIsAgreedOnAndKeysAreExported) {
  for (const SrtpSuite suite : SrtpProfiles::kOrder) {
    Make(Only(suite), Only(suite));
    Carry();
    ExpectSameKeys(suite);
    EXPECT_EQ(client_->deadline(), MonoTime::InfiniteFuture());
    EXPECT_EQ(server_->deadline(), MonoTime::InfiniteFuture());
  }
}

TEST_F(DtlsAssociationTest, TheStrongestCommonProfileIsTaken) {
  SrtpProfiles both = Only(SrtpSuite::kAesCm128HmacSha1_80);
  both.Add(SrtpSuite::kAeadAes128Gcm);
  Make(both);
  Carry();
  ExpectSameKeys(SrtpSuite::kAeadAes128Gcm);
  Make();
  Carry();
  ExpectSameKeys(SrtpSuite::kAeadAes256Gcm);
  EXPECT_FALSE(SrtpProfiles::Default().Has(SrtpSuite::kAesCm128HmacSha1_32));
}

TEST_F(DtlsAssociationTest, WithoutACommonProfileThereAreNoKeys) {
  Make(Only(SrtpSuite::kAesCm128HmacSha1_80), Only(SrtpSuite::kAeadAes256Gcm));
  Carry();
  EXPECT_EQ(server_->state(), State::kFailed);
  EXPECT_EQ(server_->failure(), Failure::kNoCommonProfile);
  EXPECT_FALSE(server_->TakeKeys().has_value());
  EXPECT_FALSE(client_->TakeKeys().has_value());
}

TEST_F(DtlsAssociationTest, Rfc5763AnotherCertificateIsRefusedByEitherSide) {
  const auto stranger = NewIdentity();
  Make();
  client_ = DtlsAssociation::Create(stranger, DtlsRole::kClient,
                                    SrtpProfiles::Default(),
                                    server_identity_->fingerprint(), now_)
                .value();
  Carry();
  EXPECT_EQ(server_->state(), State::kFailed);
  EXPECT_EQ(server_->failure(), Failure::kFingerprintMismatch);
  EXPECT_FALSE(server_->TakeKeys().has_value());

  Make();
  server_ = DtlsAssociation::Create(stranger, DtlsRole::kServer,
                                    SrtpProfiles::Default(),
                                    client_identity_->fingerprint(), now_)
                .value();
  Carry();
  EXPECT_EQ(client_->failure(), Failure::kFingerprintMismatch);
  EXPECT_EQ(server_->failure(), Failure::kAlert);
}

TEST_F(DtlsAssociationTest, WaitsForTheFingerprintBeforeThereIsAKey) {
  Make();
  server_ = DtlsAssociation::Create(server_identity_, DtlsRole::kServer,
                                    SrtpProfiles::Default(), std::nullopt, now_)
                .value();
  Carry();
  EXPECT_EQ(server_->state(), State::kHandshaking);
  EXPECT_FALSE(server_->TakeKeys().has_value());
  // The client repeats its flight; what waits is bounded.
  for (int i = 0; i < 100; ++i) server_->OnDatagram(AsBytes("\x16junk"), now_);
  server_->SetFingerprint(client_identity_->fingerprint(), now_);
  Carry();
  ExpectSameKeys(SrtpSuite::kAeadAes256Gcm);
}

TEST_F(DtlsAssociationTest, LostFlightsAreSentAgainAtTheDeadline) {
  Make();
  for (int lost = 0; lost < 3; ++lost) {
    EXPECT_FALSE(client_->TakeDatagrams().empty());
    const MonoTime due = client_->deadline();
    EXPECT_NEAR(absl::ToDoubleMilliseconds(due - now_), 200 << lost, 1);
    client_->OnDeadline(now_ + absl::Milliseconds(1));  // too early: nothing
    EXPECT_TRUE(client_->TakeDatagrams().empty());
    now_ = due;
    client_->OnDeadline(now_);
  }
  // The server's flight is lost too, then the last of the server.
  for (const auto& d : client_->TakeDatagrams()) {
    server_->OnDatagram(AsBytes(d), now_);
  }
  EXPECT_FALSE(server_->TakeDatagrams().empty());
  now_ = server_->deadline();
  server_->OnDeadline(now_);
  for (const auto& d : server_->TakeDatagrams()) {
    client_->OnDatagram(AsBytes(d), now_);
  }
  for (const auto& d : client_->TakeDatagrams()) {
    server_->OnDatagram(AsBytes(d), now_);
  }
  EXPECT_EQ(server_->state(), State::kOpen);
  EXPECT_FALSE(server_->TakeDatagrams().empty());
  EXPECT_EQ(client_->state(), State::kHandshaking);
  now_ = client_->deadline();
  client_->OnDeadline(now_);
  Carry();  // the server's last flight is repeated for the client's
  ExpectSameKeys(SrtpSuite::kAeadAes256Gcm);
}

TEST_F(DtlsAssociationTest, AfterAllRetransmissionsItFails) {
  Make();
  int rounds = 0;
  while (client_->state() == State::kHandshaking && rounds < 50) {
    now_ = client_->deadline();
    client_->OnDeadline(now_);
    ++rounds;
  }
  EXPECT_EQ(client_->failure(), Failure::kTimeout);
  EXPECT_EQ(client_->deadline(), MonoTime::InfiniteFuture());
}

// One ClientHello as several DTLS handshake fragments in records of their own
// (RFC 6347 section 4.2.3), padded to the size of a post-quantum key share.
std::vector<std::string> Fragments(const std::string& hello, size_t grow_to,
                                   size_t piece) {
  std::string body = hello.substr(25);
  if (body.size() < grow_to) {
    // The last field is the list of extensions, with its length before it:
    // append one that is not known. Session id and cookie are empty.
    const size_t suites = 2 + 32 + 1 + 1;
    const size_t suites_size =
        static_cast<size_t>(static_cast<uint8_t>(body[suites]) << 8 |
                            static_cast<uint8_t>(body[suites + 1]));
    const size_t compression = suites + 2 + suites_size;
    const size_t extensions =
        compression + 1 + static_cast<uint8_t>(body[compression]);
    const size_t filler = grow_to - body.size() - 4;
    std::string extension = {'\x7a', '\x7a', static_cast<char>(filler >> 8),
                             static_cast<char>(filler)};
    extension.append(filler, 'q');
    body += extension;
    const size_t size = body.size() - extensions - 2;
    body[extensions] = static_cast<char>(size >> 8);
    body[extensions + 1] = static_cast<char>(size);
  }
  std::vector<std::string> records;
  for (size_t at = 0; at < body.size(); at += piece) {
    const std::string part = body.substr(at, piece);
    std::string record = hello.substr(0, 11);
    record[10] = static_cast<char>(records.size());  // record sequence
    const auto append = [&record](size_t value, int octets) {
      for (int i = octets - 1; i >= 0; --i) {
        record.push_back(static_cast<char>(value >> (8 * i)));
      }
    };
    append(12 + part.size(), 2);
    record.push_back('\x01');
    append(body.size(), 3);
    append(0, 2);  // message sequence
    append(at, 3);
    append(part.size(), 3);
    records.push_back(record + part);
  }
  return records;
}

TEST_F(DtlsAssociationTest, BigFragmentedReorderedClientHelloIsPutTogether) {
  Make();
  const auto first = client_->TakeDatagrams();
  ASSERT_EQ(first.size(), 1u);
  ASSERT_TRUE(IsClientHello(AsBytes(first[0])));
  // As with an X25519MLKEM768 share: 1216 octets more than a classic hello,
  // over several datagrams, last first, one of them twice.
  auto fragments = Fragments(first[0], 1800, 500);
  ASSERT_EQ(fragments.size(), 4u);
  std::reverse(fragments.begin(), fragments.end());
  fragments.insert(fragments.begin() + 2, fragments[0]);
  for (const std::string& fragment : fragments) {
    EXPECT_TRUE(IsClientHello(AsBytes(fragment)));
    EXPECT_TRUE(server_->TakeDatagrams().empty());
    server_->OnDatagram(AsBytes(fragment), now_);
  }
  // It answers: ServerHello is the first message of the flight.
  const auto answer = server_->TakeDatagrams();
  ASSERT_FALSE(answer.empty());
  EXPECT_EQ(answer[0][0], '\x16');
  EXPECT_EQ(answer[0][13], '\x02');
  EXPECT_EQ(server_->state(), State::kHandshaking);
  for (const std::string& datagram : answer) {
    EXPECT_LE(datagram.size(), DtlsAssociation::kMtu);
  }
}

TEST_F(DtlsAssociationTest, JunkChangesNothing) {
  Make();
  for (const char* junk : {"", "\x16", "\x16\xfe\xfd", "not DTLS at all"}) {
    server_->OnDatagram(AsBytes(junk), now_);
    client_->OnDatagram(AsBytes(junk), now_);
  }
  Carry();
  ExpectSameKeys(SrtpSuite::kAeadAes256Gcm);
  server_->OnDatagram(AsBytes("more junk"), now_);
  EXPECT_EQ(server_->state(), State::kOpen);
}

// One end of a leg against an association.
class DtlsEndpointTest : public DtlsAssociationTest {
 protected:
  DtlsEndpointTest() : endpoint_(server_identity_, SrtpProfiles::Default()) {}

  void NewClient(std::shared_ptr<const DtlsIdentity> identity) {
    client_ = DtlsAssociation::Create(std::move(identity), DtlsRole::kClient,
                                      SrtpProfiles::Default(),
                                      server_identity_->fingerprint(), now_)
                  .value();
  }
  void Exchange() {
    for (int i = 0; i < 10; ++i) {
      for (const auto& d : client_->TakeDatagrams()) {
        endpoint_.OnDatagram(AsBytes(d), now_);
      }
      for (const auto& d : endpoint_.TakeDatagrams()) {
        client_->OnDatagram(AsBytes(d), now_);
      }
    }
  }

  DtlsEndpoint endpoint_;
};

TEST_F(DtlsEndpointTest, PassiveEstablishesAndTellsOnce) {
  EXPECT_EQ(endpoint_.local_setup(), DtlsSetup::kActPass);
  endpoint_.Update(client_identity_->fingerprint(), DtlsSetup::kActive, now_);
  EXPECT_EQ(endpoint_.local_setup(), DtlsSetup::kPassive);
  endpoint_.OnPath(now_);
  EXPECT_TRUE(endpoint_.TakeDatagrams().empty());
  NewClient(client_identity_);
  Exchange();
  EXPECT_EQ(endpoint_.state(), DtlsEndpoint::State::kEstablished);
  EXPECT_TRUE(endpoint_.TakeChange());
  EXPECT_FALSE(endpoint_.TakeChange());
  EXPECT_TRUE(endpoint_.TakeKeys().has_value());
  EXPECT_EQ(endpoint_.deadline(), MonoTime::InfiniteFuture());
}

TEST_F(DtlsEndpointTest, ActiveBeginsWhenThereIsAPath) {
  endpoint_.Update(client_identity_->fingerprint(), DtlsSetup::kActPass, now_);
  EXPECT_EQ(endpoint_.local_setup(), DtlsSetup::kActive);
  EXPECT_TRUE(endpoint_.TakeDatagrams().empty());
  endpoint_.OnPath(now_);
  const auto flight = endpoint_.TakeDatagrams();
  ASSERT_EQ(flight.size(), 1u);
  EXPECT_TRUE(IsClientHello(AsBytes(flight[0])));
  // No answer for 30 s, in spite of retransmissions: failed, then once more.
  while (endpoint_.state() == DtlsEndpoint::State::kHandshaking) {
    now_ = endpoint_.deadline();
    endpoint_.OnDeadline(now_);
  }
  EXPECT_EQ(endpoint_.failure(), "TIMEOUT");
  endpoint_.TakeDatagrams();
  EXPECT_EQ(endpoint_.deadline(), now_ + DtlsEndpoint::kRetry);
  now_ = endpoint_.deadline();
  endpoint_.OnDeadline(now_);
  EXPECT_EQ(endpoint_.state(), DtlsEndpoint::State::kHandshaking);
  EXPECT_FALSE(endpoint_.TakeDatagrams().empty());
}

TEST_F(DtlsEndpointTest, OnlyAClientHelloMakesState) {
  endpoint_.Update(client_identity_->fingerprint(), DtlsSetup::kActive, now_);
  std::string record("\x16\xfe\xfd", 3);
  record.append(40, '\0');
  record[13] = '\x02';  // ServerHello
  EXPECT_EQ(endpoint_.OnDatagram(AsBytes(record), now_),
            DropReason::kUnexpectedDtls);
  record[0] = '\x15';  // alert
  EXPECT_EQ(endpoint_.OnDatagram(AsBytes(record), now_),
            DropReason::kUnexpectedDtls);
  EXPECT_EQ(endpoint_.state(), DtlsEndpoint::State::kNew);
  EXPECT_EQ(endpoint_.deadline(), MonoTime::InfiniteFuture());
}

TEST_F(DtlsEndpointTest, AFailedHandshakeDoesNotEndTheLeg) {
  endpoint_.Update(client_identity_->fingerprint(), DtlsSetup::kActive, now_);
  NewClient(NewIdentity());
  Exchange();
  EXPECT_EQ(endpoint_.state(), DtlsEndpoint::State::kFailed);
  EXPECT_EQ(endpoint_.failure(), "FINGERPRINT_MISMATCH");
  EXPECT_FALSE(endpoint_.TakeKeys().has_value());
  // Not at once...
  NewClient(client_identity_);
  auto hello = client_->TakeDatagrams();
  EXPECT_EQ(endpoint_.OnDatagram(AsBytes(hello[0]), now_),
            DropReason::kUnexpectedDtls);
  // ...but after a second the right one succeeds.
  now_ += DtlsEndpoint::kRetry;
  NewClient(client_identity_);
  Exchange();
  EXPECT_EQ(endpoint_.state(), DtlsEndpoint::State::kEstablished);
}

TEST_F(DtlsEndpointTest, AForgedClientHelloThatCameFirstGivesWay) {
  endpoint_.Update(client_identity_->fingerprint(), DtlsSetup::kActive, now_);
  NewClient(NewIdentity());
  const auto forged = client_->TakeDatagrams();
  EXPECT_EQ(endpoint_.OnDatagram(AsBytes(forged[0]), now_), DropReason::kNone);
  endpoint_.TakeDatagrams();  // to nobody
  now_ += absl::Milliseconds(1100);
  NewClient(client_identity_);
  Exchange();
  EXPECT_EQ(endpoint_.state(), DtlsEndpoint::State::kEstablished);
}

TEST_F(DtlsEndpointTest, Rfc8842NewFingerprintBeginsANewAssociation) {
  endpoint_.Update(client_identity_->fingerprint(), DtlsSetup::kActive, now_);
  NewClient(client_identity_);
  Exchange();
  ASSERT_TRUE(endpoint_.TakeKeys().has_value());
  // The same again is no restart.
  endpoint_.Update(client_identity_->fingerprint(), DtlsSetup::kActive, now_);
  EXPECT_EQ(endpoint_.state(), DtlsEndpoint::State::kEstablished);
  const auto next = NewIdentity();
  endpoint_.Update(next->fingerprint(), std::nullopt, now_);
  EXPECT_EQ(endpoint_.state(), DtlsEndpoint::State::kNew);
  NewClient(next);
  Exchange();
  EXPECT_EQ(endpoint_.state(), DtlsEndpoint::State::kEstablished);
  EXPECT_TRUE(endpoint_.TakeKeys().has_value());
}

}  // namespace
}  // namespace sallyport::media_relay
