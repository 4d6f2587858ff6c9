// Two issuers that share a PostgreSQL ring, two relays, and TURN clients that
// live through rotations, revocations and the death of each: no live client
// meets a 401, a revoked one ends within a second, and the relays go on alone.

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "sallyport/credential_issuer/v1/credential_issuer_service.grpc.pb.h"
#include "sallyport/media_relay/v1/media_relay_service.grpc.pb.h"
#include "sallyport/type/v1/transport_address.pb.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/config/proto_time.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/udp_socket.h"
#include "services/common/random/system_random.h"
#include "services/common/rpc/client_channel.h"
#include "services/common/rpc/tls_files.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_macros.h"
#include "services/common/status/status_matchers.h"
#include "services/common/testing/mtls_pki.h"
#include "services/common/testing/postgres_server.h"
#include "services/common/testing/service_process.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/stun_message.h"
#include "services/media_relay/core/stun_writer.h"
#include "services/media_relay/core/turn_test_client.h"

namespace sallyport {
namespace {

namespace issuer_pb = ::sallyport::credential_issuer::v1;
namespace relay_pb = ::sallyport::media_relay::v1;

using media_relay::StunMethod;
using media_relay::StunWriter;
using media_relay::TurnTestClient;
using IssuerStub = issuer_pb::CredentialIssuerService::Stub;
using RelayStub = relay_pb::MediaRelayService::Stub;

constexpr char kTrustDomain[] = "t.test";
constexpr char kIssuer[] = "services/credential_issuer/credential_issuer";
constexpr char kRelay[] = "services/media_relay/media_relay";

// Clients are at another address than any relay of this host, which may steer
// ports of its own without holding them: the kernel would give a client one of
// those, and its answers to that relay.
constexpr char kClients[] = "127.0.0.3";

// One TURN client with one credential at one relay.
class Client {
 public:
  Client(const issuer_pb::TurnCredential& credential, int port,
         RandomSource& random)
      : udp_(UdpSocket::Bind(*SocketAddress::FromIp(kClients, 0)).value()),
        port_(port),
        turn_(absl::Now(), random) {
    turn_.username = credential.username();
    turn_.password = credential.password();
  }

  // 0, or the code of the error, or -1 when nothing came in time.
  int Allocate() {
    const auto udp = [](StunWriter& w) {
      w.AddUint32(media_relay::stun_attribute::kRequestedTransport, 17u << 24);
    };
    Send(turn_.Bare(StunMethod::kAllocate, udp));
    const std::string challenge = Receive();
    if (challenge.empty()) return -1;
    turn_.TakeChallenge(challenge);
    Send(turn_.Signed(StunMethod::kAllocate, udp));
    return Code();
  }

  // Binds a channel to a peer of ours and sends so many datagrams at once; how
  // many arrive there.
  int Flood(int count, size_t size) {
    if (peer_ == nullptr) {
      peer_ = std::make_unique<UdpSocket>(
          UdpSocket::Bind(*SocketAddress::FromIp(kClients, 0)).value());
      const int room = 1 << 20;
      setsockopt(peer_->fd(), SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
      const media_relay::Endpoint at = {
          *media_relay::IpAddress::Parse(kClients),
          peer_->local_address().port()};
      Send(turn_.Signed(StunMethod::kChannelBind, [&](StunWriter& w) {
        w.AddUint32(media_relay::stun_attribute::kChannelNumber, 0x4000u << 16);
        w.AddXorAddress(media_relay::stun_attribute::kXorPeerAddress, at);
      }));
      EXPECT_EQ(Code(), 0);
    }
    std::string frame = {0x40, 0x00, static_cast<char>(size >> 8),
                         static_cast<char>(size & 0xFF)};
    frame.append(size, 'x');
    for (int i = 0; i < count; ++i) Send(frame);
    int arrived = 0;
    std::array<char, 2048> buffer;
    pollfd ready = {peer_->fd(), POLLIN, 0};
    while (arrived < count && poll(&ready, 1, 200) == 1 &&
           recv(peer_->fd(), buffer.data(), buffer.size(), 0) > 0) {
      ++arrived;
    }
    return arrived;
  }

  int Refresh() {
    const auto ten_minutes = [](StunWriter& w) {
      w.AddUint32(media_relay::stun_attribute::kLifetime, 600);
    };
    Send(turn_.Signed(StunMethod::kRefresh, ten_minutes));
    return Code();
  }

 private:
  void Send(const std::string& bytes) {
    OutgoingDatagram out;
    out.payload = AsBytes(bytes);
    out.peer = SocketAddress::LoopbackV4(static_cast<uint16_t>(port_));
    EXPECT_THAT(udp_.SendOne(out), IsOk());
  }
  std::string Receive() {
    pollfd ready = {udp_.fd(), POLLIN, 0};
    if (poll(&ready, 1, 3000) != 1) return "";
    std::array<char, 2048> buffer;
    const ssize_t size = recv(udp_.fd(), buffer.data(), buffer.size(), 0);
    return size <= 0 ? ""
                     : std::string(buffer.data(), static_cast<size_t>(size));
  }
  int Code() { return TurnTestClient::CodeOf(Receive()); }

  UdpSocket udp_;
  std::unique_ptr<UdpSocket> peer_;
  const int port_;
  TurnTestClient turn_;
};

class CredentialKeysTest : public testing::Test {
 protected:
  CredentialKeysTest()
      : folder_(absl::StrCat(
            testing::TempDir(), "/",
            testing::UnitTest::GetInstance()->current_test_info()->name())),
        pki_("keys"),
        turn_pair_(pki_.Issue("turn", "DNS:turn.test,IP:127.0.0.1")),
        issuers_{ServiceProcess(kIssuer, folder_ + "/issuer-0"),
                 ServiceProcess(kIssuer, folder_ + "/issuer-1")},
        relays_{ServiceProcess(kRelay, folder_ + "/relay-0"),
                ServiceProcess(kRelay, folder_ + "/relay-1")} {}

  void SetUp() override {
    for (int i = 0; i < 2; ++i) {
      StartIssuer(i);
      StartRelay(i);
    }
    // Both relays are known to both issuers: by way of the store.
    for (int i = 0; i < 2; ++i) {
      ASSERT_TRUE(WaitFor([&] {
        const issuer_pb::IssuerStatus status = Status(i);
        int serving = 0;
        for (const auto& one : status.consumers()) serving += one.serving();
        return serving == 2;
      })) << issuers_[i].Log();
    }
  }

  static std::string Roles(const std::string& instance) {
    return absl::StrCat(
        ",\"instance_id\":\"", instance,
        "\",\"drain_timeout\":\"1s\",\"role_bindings\":[{\"identity\":"
        "\"spiffe://t.test/operator/root\",\"role\":\"ROLE_ADMIN\","
        "\"tenants\":[\"*\"]}]");
  }

  void StartIssuer(int i) {
    WriteIssuerConfig(i, "");
    issuers_[i].Start();
  }

  // `policies`: a JSON list's inside.
  void WriteIssuerConfig(int i, const std::string& policies) {
    ServiceProcess& process = issuers_[i];
    process.WriteConfig(absl::StrCat(
        "{\"server\":",
        process.ServerJson(pki_.IssueSpiffe(kTrustDomain, "credential_issuer"),
                           kTrustDomain, Roles(absl::StrCat("issuer-", i))),
        ",\"store\":{\"postgres\":{\"connection\":\"",
        postgres_.options().connection,
        "\",\"timeout\":\"2s\"}},\"master_key_file\":\"", folder_,
        "/master\",\"activation_delay\":\"1s\",\"tenant_policies\":[", policies,
        "],\"max_issues_per_subject_minute\":100000}"));
  }

  void StartRelay(int i) {
    ServiceProcess& process = relays_[i];
    process.WriteConfig(absl::StrCat(
        "{\"server\":",
        process.ServerJson(pki_.IssueSpiffe(kTrustDomain, "media_relay"),
                           kTrustDomain, Roles(absl::StrCat("relay-", i))),
        ",\"credential_issuer\":{\"target\":\"", issuers_[i].grpc_target(),
        "\"},\"external\":{\"addresses\":[\"127.0.0.1\"]},"
        "\"ephemeral_ports\":true,\"disable_tcp\":true,\"loops\":1,"
        "\"turn_dtls\":true,\"turn_tls\":{\"certificate_file\":\"",
        turn_pair_.certificate_file, "\",\"key_file\":\"", turn_pair_.key_file,
        "\"},"
        "\"relay_port_min\":",
        50000 + 2000 * i, ",\"relay_port_max\":", 51999 + 2000 * i,
        ",\"limits\":{\"max_allocations_per_subject\":1000,"
        "\"unauthenticated_replies_per_second\":100000},"
        "\"peer_policy\":{\"allowed_prefixes\":[\"127.0.0.0/30\"]},"
        "\"keys_cache_file\":\"",
        process.folder(), "/keys.cache\"}"));
    process.Start();
  }

  std::shared_ptr<grpc::Channel> Channel(const ServiceProcess& process,
                                         const std::string& service,
                                         const std::string& who) {
    const PemFiles files = pki_.IssueSpiffe(kTrustDomain, who);
    common::config::v1::TlsFiles tls;
    tls.set_certificate_file(files.certificate_file);
    tls.set_key_file(files.key_file);
    tls.set_ca_file(files.ca_file);
    ClientChannelOptions options;
    options.target = process.grpc_target();
    options.expected_identity = absl::StrCat("spiffe://t.test/", service);
    return MakeClientChannel(WatchTlsFiles(tls, absl::Seconds(60)).value(),
                             options);
  }
  std::unique_ptr<IssuerStub> Issuer(int i, const std::string& who) {
    return issuer_pb::CredentialIssuerService::NewStub(
        Channel(issuers_[i], "credential_issuer", who));
  }
  std::unique_ptr<RelayStub> Relay(int i) {
    return relay_pb::MediaRelayService::NewStub(
        Channel(relays_[i], "media_relay", "operator/root"));
  }

  template <typename Stub, typename Request, typename Response>
  static absl::StatusOr<Response> Call(
      Stub& stub,
      grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                   Response*),
      const Request& request) {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(10)));
    Response response;
    SP_RETURN_IF_ERROR(FromGrpc((stub.*method)(&context, request, &response)));
    return response;
  }

  static absl::StatusOr<issuer_pb::TurnCredential> Issue(
      IssuerStub& edge, const std::string& subject,
      const std::string& tenant = "tenants/a") {
    issuer_pb::IssueTurnCredentialRequest request;
    request.set_parent(tenant);
    request.set_subject(subject);
    return Call(edge, &IssuerStub::IssueTurnCredential, request);
  }

  issuer_pb::IssuerStatus Status(int i) {
    const auto root = Issuer(i, "operator/root");
    const auto status =
        Call(*root, &IssuerStub::GetStatus, issuer_pb::GetStatusRequest());
    EXPECT_THAT(status, IsOk());
    return status.ok() ? *status : issuer_pb::IssuerStatus();
  }

  static int AllocationsOf(RelayStub& relay) {
    relay_pb::ListAllocationsRequest list;
    list.set_parent("tenants/-");
    list.set_page_size(1000);
    const auto got = Call(relay, &RelayStub::ListAllocations, list);
    EXPECT_THAT(got, IsOk());
    return got.ok() ? got->allocations_size() : -1;
  }

  template <typename Condition>
  static bool WaitFor(Condition condition,
                      absl::Duration most = absl::Seconds(15)) {
    const absl::Time give_up = absl::Now() + most;
    while (!condition()) {
      if (absl::Now() > give_up) return false;
      absl::SleepFor(absl::Milliseconds(5));
    }
    return true;
  }

  // coturn's own client: two allocations that send to each other.
  static std::string Uclient(const issuer_pb::TurnCredential& credential,
                             int port, const std::string& flags = "") {
    const std::string command =
        absl::StrCat("timeout 20 turnutils_uclient ", flags,
                     " -y -c -n 20 -m 1 -l 100 -z 5 -L ", kClients, " -u '",
                     credential.username(), "' -w '", credential.password(),
                     "' -p ", port, " 127.0.0.1 2>&1");
    FILE* const pipe = popen(command.c_str(), "r");
    std::string out;
    std::array<char, 4096> buffer;
    while (const size_t n = fread(buffer.data(), 1, buffer.size(), pipe)) {
      out.append(buffer.data(), n);
    }
    const int code = pclose(pipe);
    return code == 0 ? out : absl::StrCat(out, "\nexit code ", code);
  }

  const std::string folder_;
  SystemRandom random_;
  MtlsPki pki_;
  const PemFiles turn_pair_;
  PostgresServer postgres_;
  std::array<ServiceProcess, 2> issuers_;
  std::array<ServiceProcess, 2> relays_;
};

// Issue 4: rotation by command with overlap, so that no live client sees a 401.
TEST_F(CredentialKeysTest, RotationsUnderLoadRefuseNobody) {
  std::atomic<bool> stop = false;
  std::atomic<int> made = 0;
  std::atomic<int> refreshed = 0;
  std::atomic<int> refused = 0;
  // Certificates are made by one thread.
  const auto edge0 = Issuer(0, "signaling_edge");
  const auto edge1 = Issuer(1, "signaling_edge");
  std::thread load([&] {
    std::vector<std::unique_ptr<Client>> clients;
    for (int n = 0; !stop; ++n) {
      const auto credential =
          Issue(n % 2 == 0 ? *edge0 : *edge1, absl::StrCat("user", n));
      if (!credential.ok()) {
        ADD_FAILURE() << credential.status();
        return;
      }
      // At once, and at the other issuer's relay too.
      for (ServiceProcess& relay : relays_) {
        auto client = std::make_unique<Client>(*credential,
                                               relay.port("stun_udp"), random_);
        if (const int code = client->Allocate(); code != 0) {
          ++refused;
          ADD_FAILURE() << "Allocate: " << code << " with key "
                        << credential->key_id();
        }
        ++made;
        clients.push_back(std::move(client));
      }
      const size_t old = static_cast<size_t>(n * 7) % clients.size();
      if (const int code = clients[old]->Refresh(); code != 0) {
        ++refused;
        ADD_FAILURE() << "Refresh: " << code;
      }
      ++refreshed;
      absl::SleepFor(absl::Milliseconds(10));
    }
  });
  uint32_t active = Status(0).active_key_id();
  for (int i = 0; i < 4; ++i) {
    const auto root = Issuer(i % 2, "operator/root");
    issuer_pb::RotateKeyRequest rotate;
    rotate.set_request_id(absl::StrCat("rotation-", i));
    const auto key = Call(*root, &IssuerStub::RotateKey, rotate);
    ASSERT_THAT(key, IsOk());
    EXPECT_EQ(key->state(), issuer_pb::KEY_STATE_PENDING);
    // In use at both issuers.
    for (int j = 0; j < 2; ++j) {
      EXPECT_TRUE(WaitFor([&] {
        return Status(j).active_key_id() == key->key_id();
      })) << issuers_[j].Log();
    }
    EXPECT_NE(key->key_id(), active);
    active = key->key_id();
  }
  stop = true;
  load.join();
  EXPECT_EQ(refused, 0);
  EXPECT_GT(made, 100);
  EXPECT_GT(refreshed, 50);
  RecordProperty("allocations", made);
}

// Issue 4: a revocation is in force on every relay within a second, whichever
// issuer was told.
TEST_F(CredentialKeysTest, ARevokedUserCredentialAndKeyEndWithinASecond) {
  const auto edge = Issuer(0, "signaling_edge");
  const auto root = Issuer(1, "operator/root");
  std::array<std::unique_ptr<RelayStub>, 2> stubs = {Relay(0), Relay(1)};
  absl::Duration slowest;
  for (int round = 0; round < 3; ++round) {
    const auto credential = Issue(*edge, absl::StrCat("mallory", round));
    const auto other = Issue(*edge, "alice");
    ASSERT_THAT(credential, IsOk());
    ASSERT_THAT(other, IsOk());
    std::vector<std::unique_ptr<Client>> clients;
    for (ServiceProcess& relay : relays_) {
      for (const auto& one : {*credential, *other}) {
        clients.push_back(
            std::make_unique<Client>(one, relay.port("stun_udp"), random_));
        ASSERT_EQ(clients.back()->Allocate(), 0);
      }
    }
    for (auto& stub : stubs) ASSERT_EQ(AllocationsOf(*stub), 2);
    int left = 1;
    const absl::Time start = absl::Now();
    if (round == 0) {
      issuer_pb::RevokeUserRequest revoke;
      revoke.set_parent("tenants/a");
      revoke.set_subject("mallory0");
      ASSERT_THAT(Call(*root, &IssuerStub::RevokeUser, revoke), IsOk());
    } else if (round == 1) {
      issuer_pb::RevokeCredentialRequest revoke;
      revoke.set_parent("tenants/a");
      revoke.set_credential_id(credential->credential_id());
      ASSERT_THAT(Call(*root, &IssuerStub::RevokeCredential, revoke), IsOk());
    } else {
      issuer_pb::RevokeKeyRequest revoke;
      revoke.set_name(absl::StrCat("keys/", credential->key_id()));
      ASSERT_THAT(Call(*root, &IssuerStub::RevokeKey, revoke), IsOk());
      left = 0;
    }
    for (auto& stub : stubs) {
      EXPECT_TRUE(WaitFor([&] { return AllocationsOf(*stub) == left; }));
    }
    const absl::Duration took = absl::Now() - start;
    slowest = std::max(slowest, took);
    EXPECT_LT(took, absl::Seconds(1)) << round;
    // And it opens nothing any more, while others do.
    Client again(*credential, relays_[0].port("stun_udp"), random_);
    EXPECT_NE(again.Allocate(), 0);
    if (round == 2) continue;
    for (auto& stub : stubs) EXPECT_EQ(AllocationsOf(*stub), 1);
    // Each of the others' allocations is given back.
    relay_pb::ListAllocationsRequest list;
    list.set_parent("tenants/-");
    for (auto& stub : stubs) {
      const auto got = Call(*stub, &RelayStub::ListAllocations, list);
      ASSERT_THAT(got, IsOk());
      relay_pb::DeleteAllocationRequest remove;
      remove.set_name(got->allocations(0).name());
      EXPECT_THAT(Call(*stub, &RelayStub::DeleteAllocation, remove), IsOk());
    }
  }
  // With the next key all is well again.
  const auto fresh = Issue(*edge, "alice");
  ASSERT_THAT(fresh, IsOk());
  Client after(*fresh, relays_[1].port("stun_udp"), random_);
  EXPECT_EQ(after.Allocate(), 0);
  RecordProperty("slowest_ms",
                 static_cast<int>(absl::ToInt64Milliseconds(slowest)));
  printf("slowest revocation: %s\n", absl::FormatDuration(slowest).c_str());
}

// Issue 4: the relays verify on their own while the issuers are down, also one
// that starts from its cache; coturn's own client is served by it.
TEST_F(CredentialKeysTest, RelaysGoOnAlone) {
  const auto edge = Issuer(0, "signaling_edge");
  const auto credential = Issue(*edge, "alice");
  const auto revoked = Issue(*edge, "mallory");
  ASSERT_THAT(credential, IsOk());
  ASSERT_THAT(revoked, IsOk());
  issuer_pb::RevokeUserRequest revoke;
  revoke.set_parent("tenants/a");
  revoke.set_subject("mallory");
  ASSERT_THAT(
      Call(*Issuer(0, "operator/root"), &IssuerStub::RevokeUser, revoke),
      IsOk());
  const int64_t version = Status(0).configured_version();
  ASSERT_TRUE(WaitFor([&] {
    const issuer_pb::IssuerStatus status = Status(1);
    for (const auto& one : status.consumers()) {
      if (one.active_version() < version) return false;
    }
    return true;
  }));
  issuers_[0].Kill();
  issuers_[1].Kill();
  relays_[0].Kill();
  relays_[0].Start();
  for (ServiceProcess& relay : relays_) {
    const std::string out = Uclient(*credential, relay.port("stun_udp"));
    // 20 each way; the client sometimes makes a pair of pairs of itself.
    EXPECT_THAT(out,
                testing::AnyOf(
                    testing::HasSubstr("tot_send_msgs=20, tot_recv_msgs=20"),
                    testing::HasSubstr("tot_send_msgs=40, tot_recv_msgs=40")));
    EXPECT_THAT(out, testing::HasSubstr("Total lost packets 0"));
    EXPECT_THAT(out, testing::Not(testing::HasSubstr("exit code"))) << out;
    Client bad(*revoked, relay.port("stun_udp"), random_);
    EXPECT_NE(bad.Allocate(), 0);
  }
}

// Relays that take DTLS are told of as such, and are what they are said to be.
TEST_F(CredentialKeysTest, ClientsAreToldOfRelaysWithDtls) {
  const auto credential = Issue(*Issuer(0, "signaling_edge"), "alice");
  ASSERT_THAT(credential, IsOk());
  std::vector<std::string> uris;
  for (const auto& relay : credential->relays()) {
    if (relay.transport() != type::v1::TRANSPORT_DTLS) continue;
    uris.push_back(relay.uri());
    EXPECT_EQ(relay.uri(),
              absl::StrCat("turns:127.0.0.1:", relay.port(), "?transport=udp"));
    const std::string out =
        Uclient(*credential, static_cast<int>(relay.port()), "-S");
    EXPECT_THAT(out, testing::HasSubstr("Total lost packets 0"));
    EXPECT_THAT(out, testing::Not(testing::HasSubstr("exit code")));
  }
  EXPECT_EQ(uris.size(), 2u);
}

// A tenant's policy at the issuers holds at the relays within a second of the
// file's change, for allocations that are there too, and for no other tenant.
TEST_F(CredentialKeysTest, PoliciesOfTenantsHoldAtTheRelays) {
  const auto edge = Issuer(0, "signaling_edge");
  const auto a = Issue(*edge, "alice");
  const auto b = Issue(*edge, "alice", "tenants/b");
  ASSERT_THAT(a, IsOk());
  ASSERT_THAT(b, IsOk());
  const int port = relays_[0].port("stun_udp");
  Client alice(*a, port, random_);
  Client bob(*b, port, random_);
  ASSERT_EQ(alice.Allocate(), 0);
  ASSERT_EQ(bob.Allocate(), 0);
  // 100 datagrams of 1000 octets at once: all of them arrive.
  EXPECT_EQ(alice.Flood(100, 1000), 100);
  EXPECT_EQ(bob.Flood(100, 1000), 100);
  const auto limit = [&](const std::string& policies) {
    for (int i = 0; i < 2; ++i) WriteIssuerConfig(i, policies);
  };
  limit(
      "{\"tenant\":\"tenants/a\",\"max_tenant_bytes_per_second\":20000,"
      "\"max_allocations\":1}");
  EXPECT_TRUE(WaitFor([&] {
    absl::SleepFor(absl::Milliseconds(300));  // a quarter of a second's burst
    return alice.Flood(100, 1000) < 100;
  }));
  absl::SleepFor(absl::Milliseconds(400));
  // A burst of 5000.
  EXPECT_EQ(alice.Flood(100, 1000), 5);
  EXPECT_EQ(bob.Flood(100, 1000), 100);
  Client another(*a, port, random_);
  EXPECT_EQ(another.Allocate(), 486);
  EXPECT_EQ(alice.Refresh(), 0);
  // The other relay has none of the tenant's, and holds it to the same.
  Client first(*a, relays_[1].port("stun_udp"), random_);
  Client second(*a, relays_[1].port("stun_udp"), random_);
  EXPECT_EQ(first.Allocate(), 0);
  EXPECT_EQ(second.Allocate(), 486);
  // A relay that starts alone remembers.
  issuers_[0].Kill();
  issuers_[1].Kill();
  relays_[1].Kill();
  relays_[1].Start();
  Client third(*a, relays_[1].port("stun_udp"), random_);
  Client fourth(*a, relays_[1].port("stun_udp"), random_);
  EXPECT_EQ(third.Allocate(), 0);
  EXPECT_EQ(fourth.Allocate(), 486);
}

// Issue 4, faults: the store is gone. Nothing is issued without its audit
// record; what was issued goes on; when it is back, so are they.
// From the moment that the issuer's configuration has changed.
TEST_F(CredentialKeysTest, PoliciesOfTenantsHoldWithinASecond) {
  const auto edge = Issuer(0, "signaling_edge");
  const auto a = Issue(*edge, "alice");
  ASSERT_THAT(a, IsOk());
  const std::array<int, 2> ports = {relays_[0].port("stun_udp"),
                                    relays_[1].port("stun_udp")};
  std::vector<std::unique_ptr<Client>> live;
  for (const int port : ports) {
    live.push_back(std::make_unique<Client>(*a, port, random_));
    ASSERT_EQ(live.back()->Allocate(), 0);
  }
  // One more is taken before, none after, and with the limit gone again one is:
  // each as soon as both relays say so.
  const auto allocates = [&](int port) {
    auto client = std::make_unique<Client>(*a, port, random_);
    const int code = client->Allocate();
    if (code == 0) live.push_back(std::move(client));
    return code;
  };
  const auto took = [&](const std::string& policies, int wanted) {
    const absl::Time changed = absl::Now();
    for (int i = 0; i < 2; ++i) WriteIssuerConfig(i, policies);
    for (const int port : ports) {
      EXPECT_TRUE(WaitFor([&] { return allocates(port) == wanted; }));
    }
    return absl::Now() - changed;
  };
  for (const int port : ports) EXPECT_EQ(allocates(port), 0);
  for (int i = 0; i < 3; ++i) {
    EXPECT_LT(took("{\"tenant\":\"tenants/a\",\"max_allocations\":1}", 486),
              absl::Seconds(1));
    // What stands is not ended.
    EXPECT_EQ(live.front()->Refresh(), 0);
    EXPECT_LT(took("", 0), absl::Seconds(1));
  }
}

TEST_F(CredentialKeysTest, TheStoreGoesAndComesBack) {
  const auto edge = Issuer(0, "signaling_edge");
  const auto root = Issuer(1, "operator/root");
  const auto credential = Issue(*edge, "alice");
  ASSERT_THAT(credential, IsOk());
  Client live(*credential, relays_[0].port("stun_udp"), random_);
  ASSERT_EQ(live.Allocate(), 0);
  postgres_.Kill();
  EXPECT_THAT(Issue(*edge, "bob"),
              testing::AllOf(StatusIs(absl::StatusCode::kUnavailable),
                             HasReason("AUDIT_UNAVAILABLE")));
  issuer_pb::RotateKeyRequest rotate;
  rotate.set_request_id("r");
  EXPECT_THAT(Call(*root, &IssuerStub::RotateKey, rotate),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_TRUE(WaitFor([&] { return !Status(0).store().available(); }));
  EXPECT_EQ(live.Refresh(), 0);
  Client more(*credential, relays_[1].port("stun_udp"), random_);
  EXPECT_EQ(more.Allocate(), 0);
  postgres_.Start();
  EXPECT_TRUE(WaitFor([&] { return Issue(*edge, "bob").ok(); }));
  EXPECT_TRUE(WaitFor(
      [&] { return Call(*root, &IssuerStub::RotateKey, rotate).ok(); }));
  EXPECT_TRUE(WaitFor([&] {
    const auto status = Status(0);
    return status.store().available() && status.store().notified() &&
           status.keys_size() == 2;
  }));
  // Every credential that was handed out is in the audit, and no other.
  const auto listed = [&] {
    issuer_pb::ListAuditRecordsRequest list;
    list.set_parent("tenants/a");
    list.set_credential_id(credential->credential_id());
    return Call(*root, &IssuerStub::ListAuditRecords, list);
  }();
  ASSERT_THAT(listed, IsOk());
  ASSERT_EQ(listed->audit_records_size(), 1);
  EXPECT_THAT(listed->audit_records(0).record(),
              testing::HasSubstr("\"event\":\"issue\""));
}

}  // namespace
}  // namespace sallyport
