#include "services/media_relay/load/own_relay.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "sallyport/credential_issuer/v1/verification_keys.pb.h"
#include "sallyport/media_relay/v1/media_relay_service.grpc.pb.h"
#include "sallyport/type/v1/srtp_suite.pb.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/config/proto_time.h"
#include "services/common/files/durable_file.h"
#include "services/common/rpc/client_channel.h"
#include "services/common/rpc/tls_files.h"
#include "services/common/testing/mtls_pki.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/rtp_protector.h"
#include "services/media_relay/core/srtp_policy.h"
#include "services/media_relay/core/srtp_result.h"
#include "services/media_relay/core/turn_test_client.h"
#include "services/media_relay/load/packaged_peers.h"
#include "services/media_relay/load/testbed.h"
#include "services/media_relay/load/turn_clients.h"

namespace sallyport::media_relay {
namespace {

constexpr char kTrustDomain[] = "load.test";
constexpr uint16_t kStunPort = 3478;

std::string ReadAll(const std::string& path) {
  std::ifstream in(path);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

// Of all flows that send SRTP: then one table of packets does for them.
constexpr char kSourceKey[] = "the key and salt of all flows.";
static_assert(sizeof(kSourceKey) - 1 ==
              KeySaltSize(SrtpSuite::kAesCm128HmacSha1_80));

std::vector<std::string> ProtectedRounds() {
  RtpProtector protector(SrtpSuite::kAesCm128HmacSha1_80, AsBytes(kSourceKey),
                         {});
  std::vector<std::string> rounds;
  for (size_t round = 0; round < Testbed::kRounds; ++round) {
    std::array<uint8_t, Testbed::kPayload + kPacketTailroom> buffer;
    buffer.fill(0xAB);
    std::fill_n(buffer.begin(), 12, uint8_t{0});
    buffer[0] = 0x80;
    buffer[2] = static_cast<uint8_t>(round >> 8);
    buffer[3] = static_cast<uint8_t>(round);
    Packet packet{buffer.data(), Testbed::kPayload, 0, kPacketTailroom};
    if (protector.Protect(packet) != SrtpResult::kOk) Fail("SRTP");
    rounds.push_back(ToString(packet.bytes()));
  }
  return rounds;
}

}  // namespace

OwnRelay::OwnRelay(Testbed& testbed, const Options& options)
    : testbed_(testbed), options_(options), pki_("load") {
  const PemFiles tls = pki_.IssueSpiffe(kTrustDomain, "media_relay");
  (void)pki_.IssueSpiffe(kTrustDomain, "signaling_edge");
  credential_issuer::v1::WatchVerificationKeysResponse ring;
  ring.set_version(1);
  ring.set_full(true);
  ring.set_realm("sallyport");
  auto& key = *ring.add_keys();
  key.set_key_id(7);
  key.set_secret(std::string(TestKey().DangerousText()));
  const absl::Time now = absl::Now();
  *key.mutable_not_before_time() = ToProto(now - absl::Hours(1));
  *key.mutable_not_after_time() = ToProto(now + absl::Hours(9));
  const std::string keys = options_.folder + "/keys.cache";
  if (!WriteDurableFile(keys, ring.SerializeAsString()).ok()) {
    Fail("cannot write the keys");
  }
  const std::string ready = options_.folder + "/ready.json";
  std::ofstream(options_.folder + "/config.json")
      << "{\"server\":{\"listen_address\":\"127.0.0.1:0\","
         "\"metrics_address\":\"127.0.0.1:0\",\"trust_domain\":\""
      << kTrustDomain << "\",\"ready_file\":\"" << ready
      << "\",\"tls\":{\"certificate_file\":\"" << tls.certificate_file
      << "\",\"key_file\":\"" << tls.key_file << "\",\"ca_file\":\""
      << tls.ca_file << "\"}},\"external\":{\"addresses\":[\""
      << testbed.relay_in(0).ip.ToString()
      << "\"]},\"credential_issuer\":{\"target\":\"127.0.0.1:1\"},"
         "\"disable_tcp\":true,\"relay_port_min\":20000,"
         "\"relay_port_max\":59999,\"relay_sockets\":\""
      << options_.relay_sockets << "\",\"fast_path\":\"" << options_.fast_path
      << "\",\"peer_policy\":{\"allowed_prefixes\":[\"10.0.0.0/8\"]},"
         "\"limits\":{\"max_allocations\":30000,\"max_allocations_per_subject\""
         ":30000,\"max_allocations_per_tenant\":30000,\"max_sessions\":10000,"
         "\"unauthenticated_replies_per_second\":"
      << (options_.limits_answers ? 0 : 100'000'000)
      << "},\"keys_cache_file\":\"" << keys << "\"}";
  process_ = testbed.Start(
      {options_.binary, "--config=" + options_.folder + "/config.json"},
      options_.folder + "/log");
  for (int i = 0;; ++i) {
    const std::string text = ReadAll(ready);
    const size_t at = text.find("\"grpc\":");
    if (at != std::string::npos) {
      grpc_port_ = std::atoi(text.c_str() + at + 7);
      break;
    }
    if (i == 1000 || waitpid(process_, nullptr, WNOHANG) != 0) {
      Fail("media_relay is not ready: " + Log());
    }
    absl::SleepFor(absl::Milliseconds(10));
  }
}

std::string OwnRelay::Log() const { return ReadAll(options_.folder + "/log"); }

size_t OwnRelay::ResidentMemory() const {
  std::istringstream in(ReadAll(absl::StrCat("/proc/", process_, "/status")));
  std::string line;
  while (std::getline(in, line)) {
    if (line.rfind("VmRSS:", 0) == 0) {
      return static_cast<size_t>(std::atol(line.c_str() + 6));
    }
  }
  return 0;
}

double OwnRelay::AllocateChannels(size_t flows) {
  const size_t memory = ResidentMemory();
  // All that a client sends arrives at one queue, as with RSS, and clients of
  // all queues come in turn.
  const size_t queues = testbed_.load_cpus().size();
  const size_t turn = queues > 1 ? 16 * queues : flows;
  for (size_t begin = 0; begin < flows; begin += turn) {
    const size_t end = std::min(flows, begin + turn);
    for (size_t queue = 0; queue < queues && begin + queue < end; ++queue) {
      TurnClientsOptions clients;
      clients.first = begin + queue;
      clients.step = queues;
      clients.clients = (end - clients.first + queues - 1) / queues;
      clients.bind_channel = true;
      testbed_.InLoad([&] {
        if (queues > 1) PinTo(testbed_.load_cpus()[queue]);
        if (RunTurnClients(testbed_, clients, random_).failed > 0) {
          Fail("media_relay: an allocation was refused");
        }
      });
    }
  }
  testbed_.InLoad([&] {
    for (size_t i = 0; i < flows; ++i) {
      testbed_.SetFlow(i, testbed_.relay_in(kStunPort), ChannelPrefix());
    }
  });
  return 1024 *
         (static_cast<double>(ResidentMemory()) - static_cast<double>(memory)) /
         static_cast<double>(flows);
}

void OwnRelay::CreateSessions(size_t flows, const Sides& sides) {
  const bool gcm = sides.gcm;
  if (sides.from_srtp) testbed_.SendProtected(ProtectedRounds());
  // gRPC in a child that lives in the relay's namespace: its threads open
  // connections from wherever they were started.
  int pipe_ends[2];
  if (pipe(pipe_ends) != 0) Fail("no pipe");
  pid_t child = 0;
  testbed_.InRelay([&] {
    child = fork();
    if (child != 0) return;
    PinTo(testbed_.load_cpu());
    common::config::v1::TlsFiles tls;
    tls.set_certificate_file(pki_.folder() + "/signaling_edge.pem");
    tls.set_key_file(pki_.folder() + "/signaling_edge.key");
    tls.set_ca_file(pki_.ca_file());
    ClientChannelOptions channel;
    channel.target = absl::StrCat("127.0.0.1:", grpc_port_);
    channel.expected_identity =
        absl::StrCat("spiffe://", kTrustDomain, "/media_relay");
    const auto stub = v1::MediaRelayService::NewStub(MakeClientChannel(
        WatchTlsFiles(tls, absl::Seconds(60)).value(), channel));
    for (size_t i = 0; i < flows; ++i) {
      v1::CreateSessionRequest create;
      create.set_parent("tenants/default");
      create.set_request_id(absl::StrCat("r", i));
      v1::Session& session = *create.mutable_session();
      session.set_owner("edge-0");
      session.set_call(absl::StrCat("calls/", i));
      const auto leg = [&](v1::Leg& out, const Endpoint& remote) {
        out.set_protocol(type::v1::MEDIA_PROTOCOL_RTP);
        out.set_rtcp_mux(true);
        out.mutable_remote_rtp()->set_address(remote.ip.ToString());
        out.mutable_remote_rtp()->set_port(remote.port);
      };
      leg(*session.mutable_leg_a(), testbed_.source(i));
      leg(*session.mutable_leg_b(), testbed_.destination(i));
      if (sides.from_srtp) {
        v1::Leg& a = *session.mutable_leg_a();
        a.set_protocol(type::v1::MEDIA_PROTOCOL_SDES_SRTP);
        a.mutable_remote_key()->set_key_salt(kSourceKey);
      }
      if (sides.srtp) {
        v1::Leg& b = *session.mutable_leg_b();
        b.set_protocol(type::v1::MEDIA_PROTOCOL_SDES_SRTP);
        if (gcm) b.set_srtp_suite(type::v1::SRTP_SUITE_AEAD_AES_128_GCM);
        b.mutable_remote_key()->set_key_salt(
            std::string(gcm ? 28 : 30, static_cast<char>('a' + i % 20)));
      }
      v1::Session made;
      grpc::ClientContext context;
      context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
      context.set_wait_for_ready(true);
      const grpc::Status status = stub->CreateSession(&context, create, &made);
      uint16_t port = 0;
      if (status.ok()) {
        port = static_cast<uint16_t>(made.leg_a().local_rtp_port());
      } else {
        std::fprintf(stderr, "CreateSession: %s\n",
                     status.error_message().c_str());
      }
      if (write(pipe_ends[1], &port, sizeof(port)) != sizeof(port)) break;
      if (port == 0) break;
    }
    _exit(0);
  });
  close(pipe_ends[1]);
  for (size_t i = 0; i < flows; ++i) {
    uint16_t port = 0;
    if (read(pipe_ends[0], &port, sizeof(port)) != sizeof(port) || port == 0) {
      Fail("media_relay: no session");
    }
    testbed_.SetFlow(i, testbed_.relay_in(port), "");
  }
  close(pipe_ends[0]);
  waitpid(child, nullptr, 0);
}

}  // namespace sallyport::media_relay
