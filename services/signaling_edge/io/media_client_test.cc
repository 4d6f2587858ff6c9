// The client against media relays of its own, in this process.

#include "services/signaling_edge/io/media_client.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "sallyport/media_relay/v1/media_relay_service.grpc.pb.h"
#include "services/common/net/event_loop.h"
#include "services/common/rpc/grpc_loop_client.h"
#include "services/common/status/error_reason.h"
#include "services/common/testing/mtls_pki.h"

namespace sallyport::signaling_edge {
namespace {

namespace pb = ::sallyport::media_relay::v1;

constexpr char kRelayIdentity[] = "spiffe://t.test/media_relay";

MtlsPki& Pki() {
  static MtlsPki* const pki = new MtlsPki;
  return *pki;
}

const common::config::v1::TlsFiles& EdgeFiles() {
  static const auto* const files = [] {
    const PemFiles pem = Pki().IssueSpiffe("t.test", "signaling_edge");
    auto* out = new common::config::v1::TlsFiles;
    out->set_certificate_file(pem.certificate_file);
    out->set_key_file(pem.key_file);
    out->set_ca_file(pem.ca_file);
    return out;
  }();
  return *files;
}

std::string Read(const std::string& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A relay that answers as the API says, or with `failure`.
class FakeRelay final : public pb::MediaRelayService::Service {
 public:
  explicit FakeRelay(uint16_t first_port) : first_port_(first_port) {
    const PemFiles files = Pki().IssueSpiffe("t.test", "media_relay");
    grpc::SslServerCredentialsOptions tls(
        GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    tls.pem_root_certs = Read(files.ca_file);
    tls.pem_key_cert_pairs = {
        {Read(files.key_file), Read(files.certificate_file)}};
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(tls),
                             &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~FakeRelay() override { Stop(); }
  void Stop() { server_->Shutdown(absl::ToChronoTime(absl::Now())); }
  // Or its end would wait for what WatchSessions waits for.
  void EndWatches() {
    absl::MutexLock lock(&mutex_);
    tells = true;
  }

  grpc::Status CreateSession(grpc::ServerContext* /*context*/,
                             const pb::CreateSessionRequest* request,
                             pb::Session* response) override {
    absl::MutexLock lock(&mutex_);
    created.push_back(*request);
    if (!failure.ok()) return failure;
    *response = request->session();
    response->set_name(
        absl::StrCat(request->parent(), "/sessions/s", created.size()));
    Fill(*response->mutable_leg_a(), first_port_);
    Fill(*response->mutable_leg_b(), first_port_ + 2);
    return grpc::Status::OK;
  }
  grpc::Status UpdateSession(grpc::ServerContext* /*context*/,
                             const pb::UpdateSessionRequest* request,
                             pb::Session* response) override {
    absl::MutexLock lock(&mutex_);
    updated.push_back(*request);
    *response = request->session();
    Fill(*response->mutable_leg_a(), first_port_);
    Fill(*response->mutable_leg_b(), first_port_ + 2);
    return grpc::Status::OK;
  }
  grpc::Status DeleteSession(grpc::ServerContext* /*context*/,
                             const pb::DeleteSessionRequest* request,
                             pb::Session* response) override {
    EXPECT_EQ(request->owner(), "signaling_edge/test");
    EXPECT_EQ(request->reason(), "CALL_ENDED");
    response->set_name(request->name());
    response->mutable_leg_a()->mutable_statistics()->set_packets_received(501);
    response->mutable_leg_b()->mutable_statistics()->set_packets_lost(2);
    return grpc::Status::OK;
  }
  grpc::Status RenewSessions(grpc::ServerContext* /*context*/,
                             const pb::RenewSessionsRequest* request,
                             pb::RenewSessionsResponse* /*response*/) override {
    absl::MutexLock lock(&mutex_);
    renewed.push_back(*request);
    return grpc::Status::OK;
  }

  // Of the session that is made first: numbers, silence, and then its end.
  grpc::Status WatchSessions(
      grpc::ServerContext* context, const pb::WatchSessionsRequest* request,
      grpc::ServerWriter<pb::WatchSessionsResponse>* writer) override {
    {
      absl::MutexLock lock(&mutex_);
      watched.push_back(*request);
      auto made = [this]()
                      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return tells; };
      mutex_.AwaitWithTimeout(absl::Condition(&made), absl::Seconds(10));
    }
    pb::WatchSessionsResponse message;
    pb::Session& session = *message.mutable_session();
    session.set_name("tenants/default/sessions/s1");
    session.mutable_leg_b()->mutable_statistics()->set_packets_lost(7);
    message.set_event(pb::SESSION_EVENT_STATISTICS);
    writer->Write(message);
    message.set_event(pb::SESSION_EVENT_MEDIA_LOST);
    message.set_leg(pb::LEG_SIDE_B);
    writer->Write(message);
    message.set_event(pb::SESSION_EVENT_ENDED);
    writer->Write(message);
    while (!context->IsCancelled()) absl::SleepFor(absl::Milliseconds(5));
    return grpc::Status::OK;
  }
  grpc::Status WatchLoad(
      grpc::ServerContext* context, const pb::WatchLoadRequest* /*request*/,
      grpc::ServerWriter<pb::WatchLoadResponse>* writer) override {
    {
      absl::MutexLock lock(&mutex_);
      if (tells_no_load) return {grpc::StatusCode::UNAVAILABLE, "killed"};
    }
    pb::WatchLoadResponse message;
    message.mutable_load()->set_busiest_loop_load(0.5);
    message.set_session_target(session_target);
    while (!context->IsCancelled() && writer->Write(message)) {
      absl::SleepFor(absl::Milliseconds(20));
    }
    return grpc::Status::OK;
  }

  std::string target() const { return absl::StrCat("127.0.0.1:", port_); }
  int port() const { return port_; }

  absl::Mutex mutex_;
  std::vector<pb::CreateSessionRequest> created;
  std::vector<pb::UpdateSessionRequest> updated;
  std::vector<pb::RenewSessionsRequest> renewed;
  std::vector<pb::WatchSessionsRequest> watched;
  bool tells = false;
  bool tells_no_load = false;
  std::string session_target;  // set before it is watched
  grpc::Status failure;
  bool without_key = false;

 private:
  void Fill(pb::Leg& leg, uint32_t port) {
    leg.set_local_address("192.0.2.4");
    leg.set_local_rtp_port(port);
    leg.set_local_rtcp_port(port + 1);
    if (leg.protocol() == type::v1::MEDIA_PROTOCOL_SDES_SRTP && !without_key) {
      for (const int suite : leg.srtp_suites()) {
        const bool gcm = suite == type::v1::SRTP_SUITE_AEAD_AES_128_GCM;
        leg.add_local_keys()->set_key_salt(std::string(gcm ? 28 : 30, 'k'));
      }
    }
    if (leg.protocol() == type::v1::MEDIA_PROTOCOL_DTLS_SRTP) {
      leg.mutable_dtls()->set_local_fingerprint("sha-256 EE");
      leg.set_srtp_suite(type::v1::SRTP_SUITE_AEAD_AES_128_GCM);
    }
    if (leg.has_ice()) {
      leg.mutable_ice()->set_local_ufrag("ours");
      leg.mutable_ice()->set_local_password("secret");
    }
  }

  const uint16_t first_port_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

RelayLegs SecuredAndPlain() {
  RelayLegs legs;
  legs[0].suite = SrtpSuite::kAesCm128HmacSha1_80;
  legs[0].remote = MediaAddress{"192.0.2.9", 4000, 4001};
  legs[0].remote_key = std::string(30, 'r');
  return legs;
}

class MediaClientTest : public testing::Test {
 protected:
  std::unique_ptr<MediaClient> Client(
      std::vector<std::string> relays, absl::Duration lease = absl::Minutes(5),
      absl::Duration lost_after = absl::Seconds(3)) {
    MediaClient::Options options;
    options.relays = std::move(relays);
    options.owner = "signaling_edge/test";
    options.deadline = absl::Seconds(3);
    options.lease = lease;
    options.lost_after = lost_after;
    GrpcLoopClient::Options calls;
    calls.tls = EdgeFiles();
    for (const std::string& target : options.relays) {
      calls.servers.push_back({target, kRelayIdentity});
    }
    auto client = std::make_unique<MediaClient>(
        std::move(options), *GrpcLoopClient::Start(std::move(calls)));
    by_ = client->CallsOn(*loop_);
    return client;
  }

  // Runs the loop until it is so.
  void Await(const bool& done) {
    const absl::Time give_up = absl::Now() + absl::Seconds(20);
    while (!done && absl::Now() < give_up) {
      loop_->RunOnce(absl::Milliseconds(10));
    }
    EXPECT_TRUE(done);
  }

  absl::StatusOr<RelaySession> Create(MediaClient& client,
                                      const RelayLegs& legs) {
    absl::StatusOr<RelaySession> out = absl::UnknownError("not called");
    bool done = false;
    client.Create(*by_, "tenants/default", "calls/1", legs,
                  [&](absl::StatusOr<RelaySession> made) {
                    out = std::move(made);
                    done = true;
                  });
    Await(done);
    return out;
  }

  const std::unique_ptr<EventLoop> loop_ = *EventLoop::Create();
  std::unique_ptr<GrpcLoopClient> by_;  // of the client made last
};

TEST_F(MediaClientTest, CreatesWithWhatTheEdgeDecided) {
  FakeRelay relay(50000);
  auto client = Client({relay.target()});
  const auto made = Create(*client, SecuredAndPlain());
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->name, "tenants/default/sessions/s1");
  EXPECT_EQ(made->relay, relay.target());
  EXPECT_EQ(made->legs[0].local.rtp_port, 50000);
  EXPECT_EQ(made->legs[0].local.rtcp_port, 50001);
  EXPECT_EQ(made->legs[0].local_keys,
            std::vector<std::string>{std::string(30, 'k')});
  EXPECT_EQ(made->legs[1].local.rtp_port, 50002);
  EXPECT_TRUE(made->legs[1].local_keys.empty());

  const pb::Session& asked = relay.created[0].session();
  EXPECT_EQ(asked.owner(), "signaling_edge/test");
  EXPECT_EQ(asked.leg_a().protocol(), type::v1::MEDIA_PROTOCOL_SDES_SRTP);
  EXPECT_EQ(asked.leg_a().remote_key().key_salt(), std::string(30, 'r'));
  EXPECT_EQ(asked.leg_a().remote_rtp().port(), 4000u);
  EXPECT_EQ(asked.leg_b().protocol(), type::v1::MEDIA_PROTOCOL_RTP);
  EXPECT_FALSE(asked.leg_b().has_remote_rtp());
}

TEST_F(MediaClientTest, GoesToTheNextRelayWhenOneIsDown) {
  FakeRelay down(50000), up(51000);
  down.Stop();
  auto client = Client({down.target(), up.target()});
  const auto made = Create(*client, SecuredAndPlain());
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->legs[0].local.rtp_port, 51000);
  const auto status = client->status();
  EXPECT_FALSE(status[0].available);
  EXPECT_TRUE(status[1].available);
  EXPECT_EQ(status[1].sessions, 1u);
  // The next one does not try the dead relay first.
  ASSERT_TRUE(Create(*client, SecuredAndPlain()).ok());
  EXPECT_EQ(up.created.size(), 2u);
}

TEST_F(MediaClientTest, SaysSoWhenNoRelayCan) {
  FakeRelay full(50000);
  full.failure = grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "full");
  auto client = Client({full.target()});
  const auto made = Create(*client, SecuredAndPlain());
  EXPECT_EQ(made.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ReasonOf(made.status()), "MEDIA_RELAY_UNAVAILABLE");
  auto nobody = Client({});
  EXPECT_EQ(ReasonOf(Create(*nobody, SecuredAndPlain()).status()),
            "MEDIA_RELAY_UNAVAILABLE");
}

TEST_F(MediaClientTest, ARequestThatIsRefusedIsNotTriedElsewhere) {
  FakeRelay strict(50000), other(51000);
  strict.failure = grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no");
  auto client = Client({strict.target(), other.target()});
  EXPECT_FALSE(Create(*client, SecuredAndPlain()).ok());
  EXPECT_TRUE(other.created.empty());
  EXPECT_TRUE(client->status()[0].available);
}

// A secured leg without the relay's key could only be sent in clear.
TEST_F(MediaClientTest, AnAnswerWithoutKeyIsRefused) {
  FakeRelay relay(50000);
  relay.without_key = true;
  auto client = Client({relay.target()});
  EXPECT_EQ(ReasonOf(Create(*client, SecuredAndPlain()).status()),
            "MEDIA_RELAY_ANSWER_INVALID");
}

TEST_F(MediaClientTest, UpdatesAndDeletes) {
  FakeRelay relay(50000);
  auto client = Client({relay.target()});
  const auto made = Create(*client, SecuredAndPlain());
  ASSERT_TRUE(made.ok());
  RelayLegs legs = SecuredAndPlain();
  legs[1].remote = MediaAddress{"192.0.2.7", 6000, 6000};
  legs[1].rtcp_mux = true;
  legs[1].direction = SdpDirection::kSendOnly;
  bool updated = false;
  client->Update(*by_, made->relay, made->name, legs,
                 [&](absl::StatusOr<RelaySession> session) {
                   EXPECT_TRUE(session.ok()) << session.status();
                   updated = true;
                 });
  Await(updated);
  const pb::Leg& leg = relay.updated[0].session().leg_b();
  EXPECT_EQ(leg.remote_rtp().port(), 6000u);
  EXPECT_TRUE(leg.rtcp_mux());
  EXPECT_EQ(leg.direction(), pb::MEDIA_DIRECTION_SENDONLY);

  bool deleted = false;
  client->Delete(*by_, made->relay, made->name, "CALL_ENDED",
                 [&](std::array<LegStatistics, 2> statistics) {
                   EXPECT_EQ(statistics[0].packets_received, 501u);
                   EXPECT_EQ(statistics[1].packets_lost, 2u);
                   deleted = true;
                 });
  Await(deleted);
  EXPECT_EQ(client->status()[0].sessions, 0u);
}

// Several suites on one leg, DTLS-SRTP with ICE on the other.
TEST_F(MediaClientTest, SuitesDtlsAndIce) {
  FakeRelay relay(50000);
  auto client = Client({relay.target()});
  RelayLegs legs = SecuredAndPlain();
  legs[0].suites.Add(SrtpSuite::kAeadAes128Gcm);
  legs[0].suites.Add(SrtpSuite::kAesCm128HmacSha1_80);
  legs[1].dtls = legs[1].ice = legs[1].rtcp_mux = true;
  legs[1].suites.Add(SrtpSuite::kAeadAes128Gcm);
  const auto made = Create(*client, legs);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(
      made->legs[0].local_keys,
      (std::vector<std::string>{std::string(28, 'k'), std::string(30, 'k')}));
  EXPECT_EQ(made->legs[1].fingerprint, "sha-256 EE");
  EXPECT_EQ(made->legs[1].ice, (IceDescription{"ours", "secret"}));
  const pb::Session& asked = relay.created[0].session();
  EXPECT_EQ(asked.leg_a().srtp_suites_size(), 2);
  EXPECT_EQ(asked.leg_a().srtp_suite(),
            type::v1::SRTP_SUITE_AES_CM_128_HMAC_SHA1_80);
  EXPECT_FALSE(asked.leg_a().rtcp_mux() || asked.leg_a().has_ice());
  EXPECT_EQ(asked.leg_b().protocol(), type::v1::MEDIA_PROTOCOL_DTLS_SRTP);
  EXPECT_EQ(asked.leg_b().dtls().srtp_suites_size(), 1);
  EXPECT_TRUE(asked.leg_b().rtcp_mux() && asked.leg_b().has_ice());

  legs[0].suite = SrtpSuite::kAeadAes128Gcm;
  legs[0].remote_key = std::string(28, 'r');
  legs[1].remote_fingerprint = "sha-256 DD";
  legs[1].remote_setup = DtlsSetup::kActive;
  legs[1].remote_ufrag = "theirs";
  legs[1].restart_ice = true;
  bool updated = false;
  client->Update(*by_, made->relay, made->name, legs,
                 [&](absl::StatusOr<RelaySession> session) {
                   EXPECT_TRUE(session.ok()) << session.status();
                   updated = true;
                 });
  Await(updated);
  const pb::UpdateSessionRequest& request = relay.updated[0];
  EXPECT_EQ(request.session().leg_b().dtls().remote_setup(),
            pb::DTLS_SETUP_ACTIVE);
  const auto& paths = request.update_mask().paths();
  const std::set<std::string> masked(paths.begin(), paths.end());
  for (const char* path :
       {"leg_a.srtp_suite", "leg_a.remote_key", "leg_a.rtcp_mux",
        "leg_b.dtls.remote_fingerprint", "leg_b.dtls.remote_setup",
        "leg_b.ice.remote_ufrag", "leg_b.ice.restart"}) {
    EXPECT_EQ(masked.count(path), 1u) << path;
  }
  for (const char* path : {"leg_b.remote_rtp", "leg_b.dtls.restart",
                           "leg_b.rtcp_mux", "leg_b.remote_key"}) {
    EXPECT_EQ(masked.count(path), 0u) << path;
  }
}

// The relay's other port, which it tells of in the stream of its load.
TEST_F(MediaClientTest, AsksWhereTheRelaySaysThatItAnswersTheSoonest) {
  FakeRelay relay(50000);
  auto quick = std::make_unique<FakeRelay>(51000);
  relay.session_target = absl::StrCat(":", quick->port());
  relay.tells = true;
  auto client = Client({relay.target()});
  client->Watch([](const MediaEvent&) {});
  absl::StatusOr<RelaySession> made = absl::UnknownError("");
  const absl::Time give_up = absl::Now() + absl::Seconds(10);
  do {
    made = Create(*client, SecuredAndPlain());
    ASSERT_TRUE(made.ok()) << made.status();
    EXPECT_EQ(made->relay, relay.target());
  } while (made->legs[0].local.rtp_port == 50000 && absl::Now() < give_up);
  EXPECT_EQ(made->legs[0].local.rtp_port, 51000);
  bool over = false;
  client->Update(*by_, made->relay, made->name, SecuredAndPlain(),
                 [&](const absl::StatusOr<RelaySession>& session) {
                   EXPECT_TRUE(session.ok()) << session.status();
                   over = true;
                 });
  Await(over);
  EXPECT_EQ(quick->updated.size(), 1u);
  EXPECT_TRUE(relay.updated.empty());
  over = false;
  client->Delete(*by_, made->relay, made->name, "CALL_ENDED",
                 [&](std::array<LegStatistics, 2>) { over = true; });
  Await(over);
  // It is gone, and the relay is not.
  quick->Stop();
  do {
    made = Create(*client, SecuredAndPlain());
  } while (!made.ok() && absl::Now() < give_up);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->legs[0].local.rtp_port, 50000);
}

TEST_F(MediaClientTest, RenewsLeasesOfLiveSessionsOnly) {
  FakeRelay relay(50000);
  auto client = Client({relay.target()}, absl::Milliseconds(300));
  const auto kept = Create(*client, SecuredAndPlain());
  ASSERT_TRUE(kept.ok());
  for (int i = 0; i < 500; ++i) {
    absl::SleepFor(absl::Milliseconds(10));
    absl::MutexLock lock(&relay.mutex_);
    if (relay.renewed.size() >= 2) break;
  }
  absl::MutexLock lock(&relay.mutex_);
  ASSERT_GE(relay.renewed.size(), 2u);
  EXPECT_EQ(relay.renewed[0].owner(), "signaling_edge/test");
  ASSERT_EQ(relay.renewed[0].names_size(), 1);
  EXPECT_EQ(relay.renewed[0].names(0), kept->name);
}

TEST_F(MediaClientTest, HearsWhatHappensToSessionsAndHowBusyTheRelayIs) {
  FakeRelay relay(50000);
  auto client = Client({relay.target()});
  absl::Mutex mutex;
  std::vector<MediaEvent> events;
  client->Watch([&](MediaEvent event) {
    absl::MutexLock lock(&mutex);
    events.push_back(std::move(event));
  });
  ASSERT_TRUE(Create(*client, SecuredAndPlain()).ok());
  {
    absl::MutexLock lock(&relay.mutex_);
    relay.tells = true;
  }
  {
    absl::MutexLock lock(&mutex);
    auto all = [&] { return events.size() >= 3; };
    ASSERT_TRUE(
        mutex.AwaitWithTimeout(absl::Condition(&all), absl::Seconds(10)));
    EXPECT_EQ(events[0].kind, MediaEvent::Kind::kStatistics);
    EXPECT_EQ(events[0].session, "tenants/default/sessions/s1");
    EXPECT_EQ(events[0].relay, relay.target());
    EXPECT_EQ(events[0].statistics->at(1).packets_lost, 7u);
    EXPECT_EQ(events[1].kind, MediaEvent::Kind::kSilent);
    EXPECT_EQ(events[1].leg, LegSide::kB);
    EXPECT_EQ(events[2].kind, MediaEvent::Kind::kLost);
  }
  EXPECT_EQ(client->status()[0].sessions, 0u);  // and it need not be ended
  for (int i = 0; i < 500 && client->status()[0].load != 0.5; ++i) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_EQ(client->status()[0].load, 0.5);
  absl::MutexLock lock(&relay.mutex_);
  ASSERT_EQ(relay.watched.size(), 1u);
  EXPECT_EQ(relay.watched[0].owner(), "signaling_edge/test");
  // What it asked for itself it is told by the answers.
  const std::set<int> asked(relay.watched[0].events().begin(),
                            relay.watched[0].events().end());
  EXPECT_EQ(asked.count(pb::SESSION_EVENT_ENDED), 1u);
  EXPECT_EQ(asked.count(pb::SESSION_EVENT_CREATED), 0u);
  EXPECT_EQ(asked.count(pb::SESSION_EVENT_UPDATED), 0u);
}

// A relay that is back has sessions before its load is heard of again: what it
// has made since is not among what was lost with it.
TEST_F(MediaClientTest, WhatARelayMakesWhenItIsBackIsNotLost) {
  FakeRelay relay(50000);
  relay.tells_no_load = true;
  auto client = Client({relay.target()});
  absl::Mutex mutex;
  std::vector<MediaEvent> events;
  client->Watch([&](MediaEvent event) {
    absl::MutexLock lock(&mutex);
    events.push_back(std::move(event));
  });
  // Of nobody there it has been silent for longer than a relay may be.
  absl::SleepFor(absl::Milliseconds(3700));
  EXPECT_FALSE(client->status()[0].available);
  {
    absl::MutexLock lock(&relay.mutex_);
    relay.tells_no_load = false;
  }
  ASSERT_TRUE(Create(*client, SecuredAndPlain()).ok());
  // Time for several looks at who is silent.
  absl::SleepFor(absl::Milliseconds(700));
  EXPECT_EQ(client->status()[0].sessions, 1u);
  for (int i = 0; i < 500 && client->status()[0].load != 0.5; ++i) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_EQ(client->status()[0].load, 0.5);
  EXPECT_TRUE(client->status()[0].available);
  {
    absl::MutexLock lock(&mutex);
    EXPECT_TRUE(events.empty());
  }
  client.reset();
  relay.EndWatches();
}

// But one that says no more than that is lost in its time.
TEST_F(MediaClientTest, ARelayThatFallsSilentAgainIsLost) {
  FakeRelay relay(50000);
  relay.tells_no_load = true;
  auto client =
      Client({relay.target()}, absl::Minutes(5), absl::Milliseconds(1500));
  absl::Mutex mutex;
  std::vector<MediaEvent> events;
  client->Watch([&](MediaEvent event) {
    absl::MutexLock lock(&mutex);
    events.push_back(std::move(event));
  });
  absl::SleepFor(absl::Seconds(2));
  const auto made = Create(*client, SecuredAndPlain());
  ASSERT_TRUE(made.ok());
  {
    absl::MutexLock lock(&mutex);
    auto lost = [&] { return !events.empty(); };
    ASSERT_TRUE(
        mutex.AwaitWithTimeout(absl::Condition(&lost), absl::Seconds(10)));
    EXPECT_EQ(events[0].kind, MediaEvent::Kind::kLost);
    EXPECT_EQ(events[0].session, made->name);
  }
  client.reset();
  relay.EndWatches();
}

}  // namespace
}  // namespace sallyport::signaling_edge
