// WatchSessions, Drain, filters and statistics of the real relay, as edges and
// operators see them.

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "sallyport/media_relay/v1/media_relay_service.grpc.pb.h"
#include "sallyport/type/v1/srtp_suite.pb.h"
#include "services/common/config/proto_time.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/media_relay/session_rig.h"

namespace sallyport::media_relay {
namespace {

// One open stream of WatchSessions.
class Watch {
 public:
  Watch(v1::MediaRelayService::Stub& stub,
        const v1::WatchSessionsRequest& request) {
    context_.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(25)));
    reader_ = stub.WatchSessions(&context_, request);
  }
  ~Watch() { Cancel(); }

  // The next message; unspecified at the end of the stream.
  v1::WatchSessionsResponse Next() {
    v1::WatchSessionsResponse message;
    reader_->Read(&message);
    return message;
  }
  // The next of this kind.
  v1::WatchSessionsResponse Next(v1::SessionEvent event) {
    for (int i = 0; i < 100; ++i) {
      v1::WatchSessionsResponse message = Next();
      if (message.event() == event || !message.has_session()) return message;
    }
    return {};
  }
  absl::Status Finish() { return FromGrpc(reader_->Finish()); }
  void Cancel() { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchSessionsResponse>> reader_;
};

class SessionWatchTest : public SessionRig {
 protected:
  std::string ExtraConfig() const override {
    return ",\"media_timeout\":\"1s\"";
  }
  static v1::WatchSessionsRequest Everything() {
    v1::WatchSessionsRequest request;
    request.set_parent("tenants/-");
    return request;
  }
  v1::Session Plain(const std::string& owner = "edge-0") {
    v1::Session session;
    session.set_owner(owner);
    session.mutable_leg_a()->set_protocol(type::v1::MEDIA_PROTOCOL_RTP);
    session.mutable_leg_b()->set_protocol(type::v1::MEDIA_PROTOCOL_SDES_SRTP);
    return session;
  }
};

TEST_F(SessionWatchTest, TellsTheLifeOfASessionAndItsMedia) {
  auto ann = Stub("operator/ann");
  const v1::Session before = Create(Plain());
  Watch watch(*ann, Everything());
  const v1::WatchSessionsResponse present = watch.Next();
  EXPECT_EQ(present.event(), v1::SESSION_EVENT_PRESENT);
  EXPECT_EQ(present.session().name(), before.name());
  EXPECT_FALSE(present.session().leg_b().has_local_key());

  RtpGateway a;
  RtpGateway b;
  v1::Session session = Plain("edge-7");
  session.mutable_leg_b()->set_protocol(type::v1::MEDIA_PROTOCOL_RTP);
  for (v1::Leg* leg : {session.mutable_leg_a(), session.mutable_leg_b()}) {
    leg->mutable_remote_rtp()->set_address("127.0.0.1");
  }
  session.mutable_leg_a()->mutable_remote_rtp()->set_port(a.port());
  session.mutable_leg_b()->mutable_remote_rtp()->set_port(b.port());
  const v1::Session made = Create(session);
  const auto next = [&](v1::SessionEvent event) {
    for (int i = 0; i < 50; ++i) {
      const v1::WatchSessionsResponse message = watch.Next(event);
      if (!message.has_session() || message.session().name() == made.name()) {
        return message;
      }
    }
    return v1::WatchSessionsResponse();
  };
  EXPECT_EQ(next(v1::SESSION_EVENT_CREATED).session().owner(), "edge-7");
  a.Start(static_cast<uint16_t>(made.leg_a().local_rtp_port()));
  EXPECT_EQ(next(v1::SESSION_EVENT_MEDIA_STARTED).leg(), v1::LEG_SIDE_A);
  // The called party never says anything.
  const v1::WatchSessionsResponse missing =
      next(v1::SESSION_EVENT_MEDIA_MISSING);
  EXPECT_EQ(missing.leg(), v1::LEG_SIDE_B);
  EXPECT_GT(missing.session().leg_a().statistics().packets_received(), 0u);
  a.Stop();
  const v1::WatchSessionsResponse lost = next(v1::SESSION_EVENT_MEDIA_LOST);
  EXPECT_EQ(lost.leg(), v1::LEG_SIDE_A);
  EXPECT_EQ(lost.session().state(), v1::SESSION_STATE_SILENT);
  RtpGateway again;
  v1::Session changes;
  changes.set_name(made.name());
  changes.mutable_leg_a()->mutable_remote_rtp()->set_address("127.0.0.1");
  changes.mutable_leg_a()->mutable_remote_rtp()->set_port(again.port());
  Update(changes);
  EXPECT_EQ(next(v1::SESSION_EVENT_UPDATED).session().etag(), "2");
  again.Start(static_cast<uint16_t>(made.leg_a().local_rtp_port()));
  EXPECT_EQ(next(v1::SESSION_EVENT_MEDIA_RESUMED).leg(), v1::LEG_SIDE_A);
  again.Stop();
  Delete(made.name());
  const v1::WatchSessionsResponse ended = next(v1::SESSION_EVENT_ENDED);
  EXPECT_EQ(ended.session().end_reason(), "DELETED");
  EXPECT_EQ(ended.session().leg_b().statistics().packets_sent(),
            ended.session().leg_a().statistics().packets_received());
  // The record of the end, in one line.
  process_.WaitForLog("\"msg\":\"a media session ended\"");
  EXPECT_NE(process_.Log().find("\"reason\":\"DELETED\""), std::string::npos);
}

TEST_F(SessionWatchTest, StatisticsComeAsOftenAsAskedForAndOnlyOfTheOwner) {
  Create(Plain("edge-1"));
  const v1::Session mine = Create(Plain("edge-2"));
  v1::WatchSessionsRequest request = Everything();
  request.set_owner("edge-2");
  *request.mutable_statistics_interval() = ToProto(absl::Seconds(1));
  Watch watch(*edge_, request);
  EXPECT_EQ(watch.Next().session().name(), mine.name());
  const absl::Time begin = absl::Now();
  for (int i = 0; i < 2; ++i) {
    const v1::WatchSessionsResponse message =
        watch.Next(v1::SESSION_EVENT_STATISTICS);
    EXPECT_EQ(message.session().name(), mine.name());
  }
  EXPECT_GT(absl::Now() - begin, absl::Milliseconds(1500));

  *request.mutable_statistics_interval() = ToProto(absl::Milliseconds(10));
  Watch wrong(*edge_, request);
  EXPECT_FALSE(wrong.Next().has_session());
  EXPECT_EQ(ReasonOf(wrong.Finish()), "INTERVAL_INVALID");
  auto capf = Stub("capf");
  Watch stranger(*capf, Everything());
  EXPECT_FALSE(stranger.Next().has_session());
  EXPECT_EQ(stranger.Finish().code(), absl::StatusCode::kPermissionDenied);
}

// Of what each leg receives: all of it, or nine tenths.
TEST_F(SessionWatchTest, StatisticsRateWhatALegReceives) {
  RtpGateway whole;
  RtpGateway lossy;
  v1::Session session = Plain();
  session.mutable_leg_b()->set_protocol(type::v1::MEDIA_PROTOCOL_RTP);
  for (v1::Leg* leg : {session.mutable_leg_a(), session.mutable_leg_b()}) {
    leg->mutable_remote_rtp()->set_address("127.0.0.1");
  }
  session.mutable_leg_a()->mutable_remote_rtp()->set_port(whole.port());
  session.mutable_leg_b()->mutable_remote_rtp()->set_port(lossy.port());
  const v1::Session made = Create(session);
  whole.Start(static_cast<uint16_t>(made.leg_a().local_rtp_port()));
  lossy.Start(static_cast<uint16_t>(made.leg_b().local_rtp_port()), 10);
  const v1::Session now = WaitFor(made.name(), [](const v1::Session& one) {
    return one.leg_b().statistics().packets_received() > 120;
  });
  whole.Stop();
  lossy.Stop();
  const v1::LegStatistics& good = now.leg_a().statistics();
  const v1::LegStatistics& bad = now.leg_b().statistics();
  EXPECT_EQ(good.packets_lost(), 0u);
  EXPECT_GE(bad.packets_lost(), 12u);
  EXPECT_LE(bad.packets_lost(), 20u);
  // G.711: undisturbed it is 4.4; a tenth lost costs more than half a point.
  EXPECT_GT(good.mean_opinion_score(), 4.0);
  EXPECT_LE(good.mean_opinion_score(), 4.5);
  EXPECT_GE(bad.mean_opinion_score(), 1.0);
  EXPECT_LT(bad.mean_opinion_score(), good.mean_opinion_score() - 0.5);
}

// Whose owner is gone, without a word.
TEST_F(SessionWatchTest, WhatNobodyRenewsEndsByItself) {
  const auto create = [this](const std::string& owner) {
    v1::CreateSessionRequest request;
    request.set_parent("tenants/default");
    *request.mutable_session() = Plain(owner);
    *request.mutable_lease_duration() = ToProto(absl::Seconds(10));
    v1::Session made;
    const absl::Status status =
        Call(*edge_, &Stubs::CreateSession, request, &made);
    EXPECT_TRUE(status.ok()) << status;
    return made;
  };
  const absl::Time begin = absl::Now();
  const v1::Session alive = create("edge-alive");
  const v1::Session dead = create("edge-dead");
  v1::WatchSessionsRequest ask = Everything();
  ask.add_events(v1::SESSION_EVENT_ENDED);
  Watch watch(*edge_, ask);
  v1::RenewSessionsRequest renew;
  renew.set_owner("edge-alive");
  *renew.mutable_lease_duration() = ToProto(absl::Minutes(1));
  v1::RenewSessionsResponse renewed;
  EXPECT_TRUE(Call(*edge_, &Stubs::RenewSessions, renew, &renewed).ok());
  const v1::WatchSessionsResponse ended = watch.Next(v1::SESSION_EVENT_ENDED);
  EXPECT_EQ(ended.session().name(), dead.name());
  EXPECT_EQ(ended.session().end_reason(), "LEASE_EXPIRED");
  EXPECT_GE(absl::Now() - begin, absl::Seconds(9));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(14));
  EXPECT_EQ(Get(alive.name()).name(), alive.name());
  process_.WaitForLog("\"reason\":\"LEASE_EXPIRED\"");
}

// An edge need not hear that what it asked for was done.
TEST_F(SessionWatchTest, OnlyTheEventsAskedForAreTold) {
  const v1::Session before = Create(Plain());
  v1::WatchSessionsRequest request = Everything();
  request.add_events(v1::SESSION_EVENT_PRESENT);
  request.add_events(v1::SESSION_EVENT_ENDED);
  Watch watch(*edge_, request);
  v1::WatchSessionsResponse message = watch.Next();
  EXPECT_EQ(message.event(), v1::SESSION_EVENT_PRESENT);
  EXPECT_EQ(message.session().name(), before.name());
  v1::Session changes;
  changes.set_name(before.name());
  changes.mutable_leg_a()->mutable_remote_rtp()->set_address("127.0.0.1");
  const RtpGateway far;
  changes.mutable_leg_a()->mutable_remote_rtp()->set_port(far.port());
  const v1::Session made = Create(Plain());  // and is not told
  Update(changes);
  Delete(made.name());
  Delete(before.name());
  message = watch.Next();
  EXPECT_EQ(message.event(), v1::SESSION_EVENT_ENDED);
  EXPECT_EQ(message.session().name(), made.name());
  message = watch.Next();
  EXPECT_EQ(message.event(), v1::SESSION_EVENT_ENDED);
  EXPECT_EQ(message.session().name(), before.name());
  // Without those that are present.
  v1::WatchSessionsRequest ends = Everything();
  ends.add_events(v1::SESSION_EVENT_CREATED);
  const std::string present = Create(Plain()).name();
  Watch other(*edge_, ends);
  // When it is open nobody says: of what is made from now on the first that it
  // hears of.
  std::atomic<bool> heard = false;
  std::set<std::string> later;
  std::thread creating([&] {
    while (!heard && later.size() < 200) {
      later.insert(Create(Plain()).name());
      absl::SleepFor(absl::Milliseconds(50));
    }
  });
  const std::string first = other.Next().session().name();
  heard = true;
  creating.join();
  EXPECT_NE(first, present);
  EXPECT_TRUE(later.contains(first)) << first;
}

// What an owner ends itself is no news to it; who watches over all is told,
// with the owner's reason.
TEST_F(SessionWatchTest, AnOwnerIsNotToldOfItsOwnDeletions) {
  v1::WatchSessionsRequest request = Everything();
  request.add_events(v1::SESSION_EVENT_ENDED);
  Watch operators(*edge_, request);
  const v1::Session own = Create(Plain());
  const v1::Session others = Create(Plain());
  request.set_owner(own.owner());
  Watch owner(*edge_, request);
  v1::DeleteSessionRequest end;
  end.set_name(own.name());
  end.set_owner(own.owner());
  end.set_reason("call ended");
  v1::Session ended;
  EXPECT_EQ(ReasonOf(Call(*edge_, &Stubs::DeleteSession, end, &ended)),
            "REASON_INVALID");
  end.set_reason("CALL_ENDED");
  end.set_owner("somebody");
  EXPECT_EQ(ReasonOf(Call(*edge_, &Stubs::DeleteSession, end, &ended)),
            "SESSION_NOT_OWNED");
  end.set_owner(own.owner());
  EXPECT_TRUE(Call(*edge_, &Stubs::DeleteSession, end, &ended).ok());
  EXPECT_EQ(ended.end_reason(), "CALL_ENDED");
  Delete(others.name());
  EXPECT_EQ(owner.Next().session().name(), others.name());
  std::map<std::string, std::string> told;  // they may be of different loops
  for (int i = 0; i < 2; ++i) {
    const v1::Session session = operators.Next().session();
    told[session.name()] = session.end_reason();
  }
  EXPECT_EQ(told, (std::map<std::string, std::string>{
                      {own.name(), "CALL_ENDED"}, {others.name(), "DELETED"}}));
}

TEST_F(SessionWatchTest, ListsAreFiltered) {
  for (int i = 0; i < 6; ++i) {
    v1::Session session = Plain(absl::StrCat("edge-", i % 2));
    session.set_call(absl::StrCat("calls/", i));
    Create(session);
  }
  auto ann = Stub("operator/ann");
  const auto count = [&](const std::string& filter) {
    v1::ListSessionsRequest list;
    list.set_parent("tenants/default");
    list.set_filter(filter);
    v1::ListSessionsResponse answer;
    const absl::Status status = Call(*ann, &Stubs::ListSessions, list, &answer);
    if (!status.ok()) return ReasonOf(status);
    return absl::StrCat(answer.sessions_size());
  };
  EXPECT_EQ(count(""), "6");
  EXPECT_EQ(count("owner = \"edge-1\""), "3");
  EXPECT_EQ(count("owner = \"edge-1\" AND call = \"calls/3\""), "1");
  EXPECT_EQ(count("state = SESSION_STATE_WAITING"), "6");
  EXPECT_EQ(count("leg_b.protocol != MEDIA_PROTOCOL_SDES_SRTP"), "0");
  EXPECT_EQ(count("nonsense = 1"), "FILTER_INVALID");
  v1::ListAllocationsRequest list;
  list.set_parent("tenants/-");
  list.set_filter("subject = \"x\"");
  v1::ListAllocationsResponse answer;
  EXPECT_TRUE(Call(*ann, &Stubs::ListAllocations, list, &answer).ok());
}

TEST_F(SessionWatchTest, DrainTellsProgressAndEndsTheRest) {
  const v1::Session one = Create(Plain());
  const v1::Session two = Create(Plain());
  Watch watch(*edge_, Everything());
  watch.Next();
  watch.Next();
  auto ann = Stub("operator/ann");
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
  v1::DrainRequest drain;
  *drain.mutable_timeout() = ToProto(absl::Milliseconds(2500));
  auto reader = ann->Drain(&context, drain);
  v1::DrainResponse progress;
  ASSERT_TRUE(reader->Read(&progress));
  EXPECT_EQ(progress.sessions_remaining(), 2u);
  EXPECT_FALSE(progress.done());
  EXPECT_GT(FromProto(progress.deadline_time()), absl::Now());

  v1::CreateSessionRequest create;
  create.set_parent("tenants/default");
  *create.mutable_session() = Plain();
  v1::Session refused;
  EXPECT_EQ(ReasonOf(Call(*edge_, &Stubs::CreateSession, create, &refused)),
            "DRAINING");
  Delete(one.name());
  bool saw_one = false;
  while (!progress.done() && reader->Read(&progress)) {
    saw_one = saw_one || progress.sessions_remaining() == 1;
  }
  EXPECT_TRUE(saw_one);
  EXPECT_TRUE(progress.done());
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(watch.Next(v1::SESSION_EVENT_ENDED).session().end_reason(),
            "DELETED");
  const v1::Session drained = watch.Next(v1::SESSION_EVENT_ENDED).session();
  EXPECT_EQ(drained.name(), two.name());
  EXPECT_EQ(drained.end_reason(), "DRAINED");

  grpc::ClientContext other;
  auto denied = edge_->Drain(&other, drain);
  EXPECT_FALSE(denied->Read(&progress));
  EXPECT_EQ(denied->Finish().error_code(), grpc::StatusCode::PERMISSION_DENIED);
}

}  // namespace
}  // namespace sallyport::media_relay
