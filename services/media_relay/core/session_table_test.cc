#include "services/media_relay/core/session_table.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/random/fake_random.h"
#include "services/common/status/error_reason.h"
#include "services/common/time/mono_time.h"
#include "services/media_relay/core/drop_reason.h"
#include "services/media_relay/core/dtls_endpoint.h"
#include "services/media_relay/core/endpoint.h"
#include "services/media_relay/core/media_leg.h"
#include "services/media_relay/core/packet.h"
#include "services/media_relay/core/peer_policy.h"
#include "services/media_relay/core/port_pool.h"
#include "services/media_relay/core/prompt_audio.h"
#include "services/media_relay/core/prompt_set.h"
#include "services/media_relay/core/relay_interface.h"
#include "services/media_relay/core/srtp_policy.h"
#include "services/media_relay/core/srtp_result.h"
#include "services/media_relay/core/srtp_session.h"

namespace sallyport::media_relay {
namespace {

const SrtpLibrary& Library() {
  static const SrtpLibrary* const library =
      SrtpLibrary::Create().value().release();
  return *library;
}

class SessionTableTest : public testing::Test {
 protected:
  SessionTableTest() {
    options_.interfaces.external_v4 = RelayInterface{
        *IpAddress::Parse("10.0.0.1"), *IpAddress::Parse("198.51.100.1")};
    policy_options_.allowed = {*IpPrefix::Parse("10.0.0.0/8")};
    Start();
  }

  void Start() {
    policy_.emplace(policy_options_);
    ports_.emplace(random_, port_options_);
    table_.emplace(options_,
                   RelayResources{Library(), *policy_, *ports_, ids_, random_});
  }

  SessionSpec Spec(const std::string& id = "one") {
    SessionSpec spec;
    spec.tenant = "default";
    spec.id = id;
    spec.owner = "edge-0";
    spec.fingerprint = "f";
    spec.lease = absl::Minutes(5);
    spec.legs[0].options.srtp = SrtpSuite::kAesCm128HmacSha1_80;
    return spec;
  }

  void Perform(SocketActions sockets) {
    while (!sockets.empty()) {
      SocketActions next;
      for (const SocketAction& action : sockets) {
        if (const auto* close = std::get_if<CloseSocket>(&action)) {
          EXPECT_EQ(open_.erase(close->socket), 1u);
          continue;
        }
        if (auto* datagram = std::get_if<SendDatagram>(&action)) {
          EXPECT_TRUE(open_.contains(datagram->socket));
          sent_.push_back(*datagram);
          continue;
        }
        const auto& open = std::get<OpenSocket>(action);
        opened_.push_back(open);
        absl::Status status;
        if (fail_after_ == 0) {
          status = absl::Status(fail_code_, "");
          fail_after_ = -1;
        } else {
          if (fail_after_ > 0) --fail_after_;
          open_.insert(open.socket);
        }
        EXPECT_TRUE(table_->IsOpening(open.socket));
        table_->OnSocketOpened(open.socket, status, now_, next);
      }
      sockets = std::move(next);
    }
  }

  absl::StatusOr<SessionView> Create(SessionSpec spec) {
    SocketActions sockets;
    const absl::Status status = table_->Create(std::move(spec), now_, sockets);
    if (!status.ok()) return status;
    Perform(std::move(sockets));
    return table_->TakeCreated(now_);
  }

  absl::StatusOr<SessionView> Update(const SessionUpdate& update) {
    SocketActions sockets;
    absl::StatusOr<SessionView> view = table_->Update(update, now_, sockets);
    Perform(std::move(sockets));
    return view;
  }
  // What was told since the last time, without the views of the living.
  std::vector<SessionNotice::Kind> Told() {
    std::vector<SessionNotice::Kind> kinds;
    ended_.clear();
    for (SessionNotice& notice : table_->TakeNotices()) {
      kinds.push_back(notice.kind);
      if (notice.kind == SessionNotice::Kind::kEnded) {
        ended_.push_back(std::move(notice.session));
      }
    }
    return kinds;
  }

  FakeRandom random_;
  SessionTableOptions options_;
  PeerPolicyOptions policy_options_;
  PortPoolOptions port_options_;
  std::optional<PeerPolicy> policy_;
  std::optional<PortPool> ports_;
  SocketIds ids_;
  std::optional<SessionTable> table_;
  Now now_{MonoTime::FromOrigin(absl::Hours(1)), absl::FromUnixSeconds(1000)};
  std::vector<OpenSocket> opened_;
  std::vector<SendDatagram> sent_;
  std::vector<SessionView> ended_;
  std::set<SocketId> open_;
  int fail_after_ = -1;
  absl::StatusCode fail_code_ = absl::StatusCode::kAlreadyExists;
};

class SessionPlaybackTest : public SessionTableTest {
 protected:
  SessionPlaybackTest() {
    auto prompts = std::make_shared<PromptSet>();
    prompts->Add("", "hold", {{PromptCodec::kPcmu, "abcd"}});
    prompts->Add("", "wide", {{PromptCodec::kG722, "wide"}});
    options_.prompts = std::move(prompts);
    options_.max_playbacks = 2;
    Start();
  }

  SessionSpec Reachable(const std::string& id = "one") {
    SessionSpec spec = Spec(id);
    spec.legs[0].options.srtp.reset();
    for (LegSpec& leg : spec.legs) {
      leg.initial.remote_rtp = Endpoint{*IpAddress::Parse("10.0.0.9"), 4000};
    }
    return spec;
  }
  static PlaybackRequest Ask(const std::string& prompt, uint32_t times = 0) {
    return {prompt, times, {{PromptCodec::kG722, 9}, {PromptCodec::kPcmu, 0}}};
  }
  absl::StatusOr<SessionView> Play(const PlaybackRequest& request,
                                   const std::string& id = "one") {
    SessionUpdate update;
    update.tenant = "default";
    update.id = id;
    update.playback[0] = request;
    return Update(update);
  }
  // What is sent in this time, with the lent buffers kept.
  std::vector<PacketAction> Listen(absl::Duration time) {
    std::vector<PacketAction> actions;
    const MonoTime end = now_.mono + time;
    while (table_->deadline() <= end) {
      now_.wall += table_->deadline() - now_.mono;
      now_.mono = table_->deadline();
      for (;;) {
        auto& buffer = buffers_.emplace_back();
        Packet packet{buffer.data(), 0, 0, buffer.size()};
        PacketAction action;
        if (!table_->NextPlayed(now_, packet, action)) break;
        actions.push_back(action);
      }
      SocketActions sockets;
      table_->OnDeadline(now_, sockets);
    }
    now_.wall += end - now_.mono;
    now_.mono = end;
    return actions;
  }

  std::deque<std::array<uint8_t, SessionTable::kMaxPlayedSize>> buffers_;
};

TEST_F(SessionPlaybackTest, PlaysToTheFarSideUntilItIsStopped) {
  const auto made = Create(Reachable());
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_TRUE(Listen(absl::Seconds(1)).empty());
  const auto view = Play(Ask("hold"));
  ASSERT_TRUE(view.ok()) << view.status();
  ASSERT_TRUE(view->legs[0].playback.has_value());
  EXPECT_TRUE(view->legs[0].playback->playing);
  EXPECT_EQ(view->legs[0].playback->format.payload_type, 0);
  size_t reports = 0;
  size_t packets = 0;
  for (const PacketAction& action : Listen(absl::Seconds(10))) {
    EXPECT_EQ(action.to.ip.ToString(), "10.0.0.9");
    if (action.to.port == 4001) {
      EXPECT_EQ(action.bytes[1], 200);
      ++reports;
      continue;
    }
    EXPECT_EQ(action.to.port, 4000);
    EXPECT_EQ(action.bytes[1], packets == 0 ? 0x80 : 0);
    EXPECT_EQ(action.bytes[12], 'a');
    ++packets;
  }
  EXPECT_GE(packets, 499u);
  EXPECT_LE(packets, 500u);
  EXPECT_GE(reports, 2u);
  EXPECT_LE(reports, 4u);
  // The same again changes nothing.
  EXPECT_EQ(Play(Ask("hold"))->etag, view->etag);
  const auto stopped = Play(PlaybackRequest());
  EXPECT_FALSE(stopped->legs[0].playback->playing);
  EXPECT_EQ(stopped->legs[0].stats.packets_played, packets);
  EXPECT_EQ(stopped->legs[0].stats.packets_sent, packets);
  EXPECT_TRUE(Listen(absl::Seconds(1)).empty());
  EXPECT_EQ(table_->playbacks(), 0u);
}

TEST_F(SessionPlaybackTest, TheOtherLegIsNotHeardMeanwhileAndMarkedAfter) {
  const auto made = Create(Reachable());
  ASSERT_TRUE(made.ok());
  ASSERT_TRUE(Play(Ask("hold")).ok());
  const SocketId b =
      opened_[2].local.port % 2 == 0 ? opened_[2].socket : opened_[3].socket;
  uint16_t sequence = 0;
  const auto speak = [&](std::string& bytes) {
    bytes =
        std::string("\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05", 12) +
        "voice";
    bytes[3] = static_cast<char>(++sequence);
    Packet packet{reinterpret_cast<uint8_t*>(bytes.data()), bytes.size(), 0, 0};
    PacketAction action;
    SocketActions sockets;
    EXPECT_TRUE(table_->OnPacket(b, {*IpAddress::Parse("10.0.0.9"), 4000},
                                 packet, {}, now_, sockets, action));
    return action;
  };
  std::string bytes;
  EXPECT_EQ(speak(bytes).drop, DropReason::kPlayback);
  ASSERT_TRUE(Play(PlaybackRequest()).ok());
  const PacketAction first = speak(bytes);
  ASSERT_TRUE(first.sends());
  EXPECT_EQ(static_cast<uint8_t>(bytes[1]), 0x80);
  EXPECT_EQ(bytes.substr(12), "voice");
  speak(bytes);
  EXPECT_EQ(bytes[1], 0);
}

TEST_F(SessionPlaybackTest, ProtectsAndGoesOnWithItsStream) {
  // Two prompts on an SRTP leg: one source, and no index twice.
  SessionSpec spec = Reachable();
  spec.legs[0].options.srtp = SrtpSuite::kAesCm128HmacSha1_80;
  spec.legs[0].playback = Ask("hold", 2);
  const auto made = Create(std::move(spec));
  ASSERT_TRUE(made.ok()) << made.status();
  std::vector<PacketAction> heard = Listen(absl::Seconds(1));
  ASSERT_EQ(heard.size(), 1u);  // 8 octets
  EXPECT_EQ(heard[0].bytes.size(), 182u);
  auto session = SrtpSession::Create(Library(), SrtpSuite::kAesCm128HmacSha1_80,
                                     made->legs[0].local_key.DangerousBytes(),
                                     {}, SrtpSession::Direction::kUnprotect);
  ASSERT_TRUE(session.ok());
  const auto unprotect = [&](const PacketAction& action) {
    Packet packet{const_cast<uint8_t*>(action.bytes.data()),
                  action.bytes.size(), 0, 0};
    EXPECT_EQ((*session)->UnprotectRtp(packet), SrtpResult::kOk);
    return std::string(packet.data + 12, packet.data + packet.size);
  };
  EXPECT_EQ(unprotect(heard[0]), "abcdabcd" + std::string(152, '\xFF'));
  EXPECT_EQ(table_->playbacks(), 0u);
  ASSERT_TRUE(Play(Ask("hold")).ok());
  heard = Listen(absl::Milliseconds(100));
  EXPECT_GE(heard.size(), 4u);
  for (const PacketAction& action : heard) {
    EXPECT_EQ(unprotect(action).substr(0, 4), "abcd");
  }
  EXPECT_EQ((*session)->source_count(), 1u);
}

TEST_F(SessionPlaybackTest, WhatCannotBePlayedIsRefused) {
  ASSERT_TRUE(Create(Reachable()).ok());
  EXPECT_EQ(ReasonOf(Play(Ask("none")).status()), "PROMPT_NOT_FOUND");
  EXPECT_EQ(ReasonOf(Play({"wide", 0, {{PromptCodec::kPcma, 8}}}).status()),
            "PROMPT_FORMAT_MISSING");
  SessionSpec spec = Reachable("two");
  spec.legs[1].playback = Ask("none");
  EXPECT_EQ(ReasonOf(Create(std::move(spec)).status()), "PROMPT_NOT_FOUND");
  ASSERT_TRUE(Create(Reachable("two")).ok());
  ASSERT_TRUE(Create(Reachable("three")).ok());
  EXPECT_TRUE(Play(Ask("hold"), "one").ok());
  EXPECT_TRUE(Play(Ask("wide"), "two").ok());
  EXPECT_EQ(ReasonOf(Play(Ask("hold"), "three").status()),
            "PLAYBACK_LIMIT_REACHED");
  // Another prompt on a leg that plays is no further one.
  EXPECT_TRUE(Play(Ask("wide"), "one").ok());
  SocketActions sockets;
  EXPECT_TRUE(
      table_->Delete("default", "one", "", "", "DELETED", now_, sockets).ok());
  Perform(std::move(sockets));
  EXPECT_EQ(table_->playbacks(), 1u);
  EXPECT_TRUE(Play(Ask("hold"), "three").ok());
}

TEST_F(SessionTableTest, CreateOpensPairsAndGivesKeys) {
  const auto view = Create(Spec());
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_EQ(opened_.size(), 4u);
  EXPECT_EQ(ports_->out_count(), 4u);
  for (const LegView& leg : view->legs) {
    EXPECT_EQ(leg.local_rtp.ip.ToString(), "198.51.100.1");
    EXPECT_EQ(leg.local_rtp.port % 2, 0);
    EXPECT_EQ(leg.local_rtcp_port, leg.local_rtp.port + 1);
  }
  EXPECT_EQ(view->legs[0].local_key.size(), 30u);
  EXPECT_TRUE(view->legs[1].local_key.empty());
  EXPECT_EQ(view->state, SessionState::kWaiting);
  EXPECT_EQ(view->lease_expiry, now_.wall + absl::Minutes(5));
}

TEST_F(SessionTableTest, MuxedLegTakesOnePort) {
  SessionSpec spec = Spec();
  spec.legs[0].options.rtcp_mux = true;
  const auto view = Create(std::move(spec));
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(opened_.size(), 3u);
  EXPECT_EQ(view->legs[0].local_rtcp_port, view->legs[0].local_rtp.port);
}

TEST_F(SessionTableTest, RepeatedCreateIsTheSameSession) {
  const auto first = Create(Spec());
  ASSERT_TRUE(first.ok());
  const auto again = Create(Spec());
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(opened_.size(), 4u);
  EXPECT_EQ(again->legs[0].local_key, first->legs[0].local_key);
  SessionSpec other = Spec();
  other.fingerprint = "g";
  EXPECT_EQ(ReasonOf(Create(std::move(other)).status()), "SESSION_EXISTS");
  other = Spec();
  other.owner = "edge-1";
  EXPECT_EQ(ReasonOf(Create(std::move(other)).status()), "SESSION_EXISTS");
}

TEST_F(SessionTableTest, RefusalsLeaveNothingBehind) {
  SessionSpec spec = Spec();
  spec.legs[1].initial.remote_rtp =
      Endpoint{*IpAddress::Parse("127.0.0.1"), 4000};
  EXPECT_EQ(ReasonOf(table_->Check(spec, now_)), "MEDIA_PEER_REFUSED");
  EXPECT_EQ(ReasonOf(Create(std::move(spec)).status()), "MEDIA_PEER_REFUSED");
  spec = Spec();
  spec.legs[1].ipv6 = true;
  EXPECT_EQ(ReasonOf(Create(std::move(spec)).status()),
            "ADDRESS_FAMILY_NOT_SERVED");
  EXPECT_EQ(ports_->out_count(), 0u);
  EXPECT_TRUE(open_.empty());
  EXPECT_EQ(table_->size(), 0u);
}

TEST_F(SessionTableTest, TakenPortsAreReplacedAtEachStep) {
  for (int step = 0; step < 4; ++step) {
    fail_after_ = step;
    opened_.clear();
    const auto view = Create(Spec(std::to_string(step)));
    ASSERT_TRUE(view.ok()) << step << view.status();
    EXPECT_GT(opened_.size(), 4u);
    EXPECT_EQ(open_.size(), 4u * static_cast<size_t>(step + 1));
    EXPECT_EQ(ports_->out_count(), 4u * static_cast<size_t>(step + 1));
  }
}

TEST_F(SessionTableTest, SocketExhaustionClosesWhatWasOpened) {
  fail_code_ = absl::StatusCode::kResourceExhausted;
  for (int step = 0; step < 4; ++step) {
    fail_after_ = step;
    EXPECT_EQ(ReasonOf(Create(Spec()).status()), "RELAY_SOCKET_FAILED");
    EXPECT_TRUE(open_.empty()) << step;
    EXPECT_EQ(ports_->out_count(), 0u) << step;
  }
  EXPECT_TRUE(Create(Spec()).ok());
}

TEST_F(SessionTableTest, PortExhaustionIsToldAndUndone) {
  port_options_.first = 50000;
  port_options_.last = 50003;
  port_options_.quarantine = absl::ZeroDuration();
  Start();
  ASSERT_TRUE(Create(Spec("a")).ok());
  EXPECT_EQ(ReasonOf(Create(Spec("b")).status()), "RELAY_PORTS_EXHAUSTED");
  EXPECT_EQ(open_.size(), 4u);
}

TEST_F(SessionTableTest, NumberOfSessionsIsBounded) {
  options_.max_sessions = 1;
  Start();
  ASSERT_TRUE(Create(Spec("a")).ok());
  EXPECT_EQ(ReasonOf(Create(Spec("b")).status()), "SESSION_LIMIT_REACHED");
}

TEST_F(SessionTableTest, UpdateIsCheckedWholeBeforeItIsDone) {
  ASSERT_TRUE(Create(Spec()).ok());
  SessionUpdate update;
  update.tenant = "default";
  update.id = "one";
  update.owner = "edge-0";
  update.legs[0].emplace();
  update.legs[0]->remote_rtp = Endpoint{*IpAddress::Parse("10.1.1.1"), 4000};
  update.legs[1].emplace();
  update.legs[1]->remote_rtp = Endpoint{*IpAddress::Parse("::1"), 4000};
  EXPECT_EQ(ReasonOf(Update(update).status()), "MEDIA_PEER_REFUSED");
  EXPECT_FALSE(
      table_->Get("default", "one", now_)->legs[0].remote_rtp.has_value());
  update.legs[1].reset();
  update.validate_only = true;
  EXPECT_EQ(Update(update)->etag, "1");
  update.validate_only = false;
  const auto view = Update(update);
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->etag, "2");
  EXPECT_TRUE(view->legs[0].remote_rtp.has_value());
  update.etag = "1";
  EXPECT_EQ(ReasonOf(Update(update).status()), "ETAG_MISMATCH");
  update.etag = "2";
  update.owner = "edge-1";
  EXPECT_EQ(ReasonOf(Update(update).status()), "SESSION_NOT_OWNED");
  update.id = "two";
  EXPECT_EQ(ReasonOf(Update(update).status()), "SESSION_NOT_FOUND");
}

TEST_F(SessionTableTest, KeysAreRenewedOncePerRequest) {
  const auto made = Create(Spec());
  ASSERT_TRUE(made.ok());
  SessionUpdate update;
  update.tenant = "default";
  update.id = "one";
  update.owner = "edge-0";
  update.request_id = "r1";
  update.renew_local_key[0] = true;
  const auto first = Update(update);
  ASSERT_TRUE(first.ok());
  EXPECT_FALSE(first->legs[0].local_key == made->legs[0].local_key);
  const auto repeat = Update(update);
  EXPECT_TRUE(repeat->legs[0].local_key == first->legs[0].local_key);
  update.renew_local_key = {false, true};
  update.request_id = "r2";
  EXPECT_EQ(ReasonOf(Update(update).status()), "LEG_IS_NOT_SRTP");
}

// AVE-47: the end of the call closes both legs.
TEST_F(SessionTableTest, DeleteClosesAndReturnsTheFinalView) {
  ASSERT_TRUE(Create(Spec()).ok());
  SocketActions sockets;
  EXPECT_EQ(ReasonOf(table_
                         ->Delete("default", "one", "edge-1", "", "DELETED",
                                  now_, sockets)
                         .status()),
            "SESSION_NOT_OWNED");
  const auto view = table_->Delete("default", "one", "edge-0", "", "CALL_ENDED",
                                   now_, sockets);
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(view->state, SessionState::kEnded);
  EXPECT_EQ(view->end_reason, "CALL_ENDED");
  EXPECT_TRUE(view->legs[0].local_key.empty());
  Perform(std::move(sockets));
  EXPECT_TRUE(open_.empty());
  EXPECT_EQ(ports_->out_count(), 0u);
  EXPECT_EQ(ReasonOf(table_->Get("default", "one", now_).status()),
            "SESSION_NOT_FOUND");
}

TEST_F(SessionTableTest, UnrenewedSessionsEnd) {
  ASSERT_TRUE(Create(Spec("a")).ok());
  ASSERT_TRUE(Create(Spec("b")).ok());
  now_.mono += absl::Minutes(4);
  std::vector<std::string> missing;
  EXPECT_EQ(table_->Renew("edge-0", {{"default", "a"}, {"default", "x"}},
                          absl::Minutes(5), now_, missing),
            1u);
  EXPECT_EQ(missing, std::vector<std::string>{"tenants/default/sessions/x"});
  EXPECT_EQ(table_->Renew("edge-1", {}, absl::Minutes(5), now_, missing), 0u);
  now_.mono += absl::Minutes(1);
  EXPECT_LE(table_->deadline(), now_.mono);
  SocketActions sockets;
  Told();
  now_.wall += absl::Seconds(1);
  table_->OnDeadline(now_, sockets);
  EXPECT_EQ(Told().front(), SessionNotice::Kind::kEnded);
  ASSERT_EQ(ended_.size(), 1u);
  EXPECT_EQ(ended_[0].id, "b");
  EXPECT_EQ(ended_[0].state, SessionState::kEnded);
  EXPECT_EQ(ended_[0].end_reason, "LEASE_EXPIRED");
  Perform(std::move(sockets));
  EXPECT_EQ(table_->size(), 1u);
  EXPECT_EQ(table_->Renew("edge-0", {}, absl::Minutes(5), now_, missing), 1u);
}

TEST_F(SessionTableTest, DtlsAndIceLegsShowWhatGoesIntoSdp) {
  SessionSpec spec = Spec();
  spec.legs[1].dtls = true;
  spec.legs[1].options.ice = true;
  EXPECT_EQ(ReasonOf(table_->Check(spec, now_)), "RTCP_MUX_REQUIRED");
  spec.legs[1].options.rtcp_mux = true;
  const auto view = Create(std::move(spec));
  ASSERT_TRUE(view.ok()) << view.status();
  EXPECT_FALSE(view->legs[0].dtls.has_value());
  const LegView& leg = view->legs[1];
  ASSERT_TRUE(leg.dtls.has_value() && leg.ice.has_value());
  EXPECT_EQ(leg.dtls->local_setup, DtlsSetup::kActPass);
  EXPECT_EQ(leg.ice->local_password.size(), 32u);
  EXPECT_TRUE(leg.local_key.empty());
  EXPECT_TRUE(table_->List("", now_)[0].legs[1].ice->local_password.empty());

  // The certificate is another after a day, for sessions to come only.
  const auto next = [&](const std::string& id) {
    SessionSpec more = Spec(id);
    more.legs[1].dtls = true;
    more.legs[1].options.rtcp_mux = true;
    return Create(std::move(more))->legs[1].dtls->local_fingerprint;
  };
  EXPECT_EQ(next("two"), leg.dtls->local_fingerprint);
  now_.wall += absl::Hours(24);
  EXPECT_NE(next("three"), leg.dtls->local_fingerprint);
  EXPECT_EQ(
      table_->Get("default", "one", now_)->legs[1].dtls->local_fingerprint,
      leg.dtls->local_fingerprint);
}

TEST_F(SessionTableTest, AnActiveLegSendsItsClientHelloAndRepeatsIt) {
  SessionSpec spec = Spec();
  spec.legs[1].dtls = true;
  spec.legs[1].options.rtcp_mux = true;
  spec.legs[1].initial.remote_setup = DtlsSetup::kPassive;
  ASSERT_TRUE(Create(std::move(spec)).ok());
  EXPECT_TRUE(sent_.empty());
  SessionUpdate update;
  update.tenant = "default";
  update.id = "one";
  update.legs[1].emplace();
  update.legs[1]->remote_rtp = Endpoint{IpAddress::V4({10, 0, 0, 7}), 4000};
  ASSERT_TRUE(Update(update).ok());
  ASSERT_EQ(sent_.size(), 1u);
  EXPECT_EQ(sent_[0].to, *update.legs[1]->remote_rtp);
  EXPECT_EQ(sent_[0].bytes[0], '\x16');
  EXPECT_NEAR(absl::ToDoubleMilliseconds(table_->deadline() - now_.mono), 200,
              1);
  now_.mono = table_->deadline();
  SocketActions sockets;
  table_->OnDeadline(now_, sockets);
  Perform(std::move(sockets));
  EXPECT_EQ(sent_.size(), 2u);
  EXPECT_GT(table_->deadline(), now_.mono);
}

TEST_F(SessionTableTest, NoticesTellTheLifeOfASession) {
  using Kind = SessionNotice::Kind;
  options_.media_timeout = absl::Seconds(20);
  Start();
  SessionSpec spec = Spec();
  // Leg A's far side is known; leg B still rings.
  spec.legs[0].initial.remote_rtp =
      Endpoint{IpAddress::V4({10, 0, 0, 7}), 4000};
  ASSERT_TRUE(Create(std::move(spec)).ok());
  EXPECT_EQ(Told(), std::vector<Kind>{Kind::kCreated});
  now_.mono += absl::Seconds(20);
  now_.wall += absl::Seconds(20);
  SocketActions sockets;
  table_->OnDeadline(now_, sockets);
  EXPECT_EQ(Told(), std::vector<Kind>{Kind::kMediaMissing});  // leg A alone
  ASSERT_TRUE(Create(Spec("two")).ok());
  Told();
  table_->EndAll("DRAINED", now_, sockets);
  EXPECT_EQ(Told(), (std::vector<Kind>{Kind::kEnded, Kind::kEnded}));
  EXPECT_EQ(ended_[0].end_reason, "DRAINED");
  EXPECT_EQ(table_->size(), 0u);
  EXPECT_EQ(table_->deadline(), MonoTime::InfiniteFuture());
  Perform(std::move(sockets));
  EXPECT_TRUE(open_.empty());
}

TEST_F(SessionTableTest, ListIsByTenantAndWithoutKeys) {
  ASSERT_TRUE(Create(Spec("a")).ok());
  SessionSpec other = Spec("b");
  other.tenant = "second";
  ASSERT_TRUE(Create(std::move(other)).ok());
  EXPECT_EQ(table_->List("", now_).size(), 2u);
  const std::vector<SessionView> one = table_->List("second", now_);
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].id, "b");
  EXPECT_TRUE(one[0].legs[0].local_key.empty());
}

}  // namespace
}  // namespace sallyport::media_relay
