// ResolveRoute, or with --stream ResolveRoutes, at a steady rate, by a client
// that costs little: one thread that does not sleep, HTTP/2 by common/rpc's
// GrpcCaller, no gRPC library. So what is measured is the server. Questions are
// sent when they are due, whether or not earlier ones have been answered, and a
// question's time counts from when it was due; how late they were sent, which
// is this program's own fault, is told too. The last line is JSON.

#include <algorithm>
#include <cstdio>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "sallyport/dialplan/v1/resolve_route.pb.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/crypto/x509_name.h"
#include "services/common/net/byte_stream.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/socket_address.h"
#include "services/common/rpc/grpc_caller.h"
#include "services/common/status/status_macros.h"
#include "services/common/tls/peer_certificate.h"
#include "services/common/tls/tls_context.h"
#include "services/common/tls/tls_stream.h"
#include "services/dialplan/load/load_client.h"
#include "services/dialplan/load/load_report.h"
#include "services/dialplan/load/region.h"

ABSL_FLAG(std::string, target, "", "ip:port of the decision listener");
ABSL_FLAG(std::string, pki, "", "folder of tools/dev/mint_dev_certs");
ABSL_FLAG(std::string, trust_domain, "demo.sallyport.test", "of the server");
ABSL_FLAG(bool, stream, false, "by ResolveRoutes, a stream a connection");
ABSL_FLAG(int, rate, 10000, "questions a second");
ABSL_FLAG(double, seconds, 10, "how long");
ABSL_FLAG(int, connections, 2, "connections, all by one thread");
// Waking up is part of what is measured then, but a busy kernel lets nobody
// spin at realtime priority: it stops him 50 ms of every second.
ABSL_FLAG(absl::Duration, nap, absl::ZeroDuration(),
          "sleeps that long whenever there is nothing to do; 0: never sleeps");
ABSL_FLAG(int, server_pid, 0, "whose processor time is told; 0: nobody's");
ABSL_FLAG(int, tenants, 1000, "as in make_region");
ABSL_FLAG(int, partitions, 1000, "as in make_region");
ABSL_FLAG(int, patterns, 100000, "as in make_region");

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;

constexpr char kUnary[] = "/sallyport.dialplan.v1.DialplanService/ResolveRoute";
constexpr char kStream[] =
    "/sallyport.dialplan.v1.DialplanService/ResolveRoutes";

struct Results {
  std::vector<absl::Duration> samples;
  size_t failed = 0;
  std::string failure;
};

// One connection. Loop thread only.
class Asker final : public StreamHandler, public GrpcCallerOwner {
 public:
  Asker(const Region& region, int offset, Results& results)
      : questions_(region, offset), results_(results) {}

  absl::Status Connect(EventLoop& loop, const SocketAddress& address,
                       std::shared_ptr<const TlsContext> context) {
    SP_ASSIGN_OR_RETURN(stream_,
                        TlsStream::Connect(loop, address, std::move(context),
                                           TlsStream::Options(), *this));
    return absl::OkStatus();
  }

  // `question`, or one that can be dialled.
  void Ask(absl::Time due, const pb::ResolveRouteRequest* question = nullptr) {
    request_.Clear();
    pb::ResolveRouteRequest& asked = *request_.add_questions();
    if (question != nullptr) {
      asked = *question;
    } else {
      questions_.Next(asked);
    }
    ++open;
    if (absl::GetFlag(FLAGS_stream)) {
      if (call_ == 0) call_ = caller_.Start(kStream);
      due_.push_back(due);
      caller_.Send(call_, request_.SerializeAsString(), /*last=*/false);
    } else {
      const int32_t call = caller_.Start(kUnary);
      due_of_[call] = due;
      caller_.Send(call, asked.SerializeAsString(), /*last=*/true);
    }
  }
  void Flush() {
    if (!connected) return;
    const std::string out = caller_.TakeOutput();
    if (!out.empty() && !stream_->Write(AsBytes(out)).ok()) {
      results_.failure = "the connection takes no more";
      dead = true;
    }
  }

  void OnOpen() override { connected = true; }
  void OnData(ByteSpan data) override {
    now_ = absl::Now();
    if (!caller_.Feed(data).ok()) dead = true;
    Flush();
  }
  void OnEnd() override { dead = true; }
  void OnClosed(absl::Status reason) override {
    dead = true;
    results_.failure = reason.ToString();
  }

  void OnAnswer(int32_t call, std::string answer) override {
    if (!absl::GetFlag(FLAGS_stream)) {
      // Taken apart when the time has been taken: a caller has it by then.
      const auto it = due_of_.find(call);
      Note(it->second);
      due_of_.erase(it);
      pb::ResolveRouteResponse response;
      if (!response.ParseFromString(answer)) Fail("no answer in an answer");
      Judge(response);
      return;
    }
    Note(due_.front());
    due_.pop_front();
    pb::ResolveRoutesResponse response;
    if (!response.ParseFromString(answer) || response.results_size() != 1 ||
        response.results(0).has_error()) {
      return Fail(response.ShortDebugString());
    }
    Judge(response.results(0).response());
  }
  void OnStatus(int32_t call, const absl::Status& status) override {
    if (status.ok()) return;
    Fail(status.ToString());
    if (due_of_.erase(call) > 0) --open;
    if (call == call_) dead = true;
  }

  bool connected = false;
  bool dead = false;
  bool strict = false;  // all must be routed
  size_t open = 0;

 private:
  void Note(absl::Time due) {
    --open;
    results_.samples.push_back(now_ - due);
  }
  void Judge(const pb::ResolveRouteResponse& response) {
    if (strict && response.decision() != pb::ROUTE_DECISION_ROUTED) {
      Fail(response.ShortDebugString());
    }
  }
  void Fail(const std::string& why) {
    ++results_.failed;
    results_.failure = why;
  }

  QuestionSource questions_;
  Results& results_;
  GrpcCaller caller_{*this};
  std::unique_ptr<TlsStream> stream_;
  pb::ResolveRoutesRequest request_;
  int32_t call_ = 0;
  std::deque<absl::Time> due_;  // of the stream
  absl::flat_hash_map<int32_t, absl::Time> due_of_;
  absl::Time now_;
};

// Sends at the rate, and returns when all is answered. How late each was sent
// goes to `late`.
absl::Status Ask(EventLoop& loop, std::vector<std::unique_ptr<Asker>>& askers,
                 absl::Duration length, std::vector<absl::Duration>& late) {
  const absl::Duration interval = absl::Seconds(1) / absl::GetFlag(FLAGS_rate);
  absl::Time due = absl::Now() + absl::Milliseconds(20);
  const absl::Time end = due + length;
  const absl::Time give_up = end + absl::Seconds(10);
  const absl::Duration nap = absl::GetFlag(FLAGS_nap);
  for (size_t next = 0;;) {
    const absl::Time now = absl::Now();
    while (due <= now && due < end) {
      Asker& asker = *askers[next++ % askers.size()];
      late.push_back(now - due);
      asker.Ask(due);
      asker.Flush();
      due += interval;
    }
    size_t open = 0;
    for (const auto& asker : askers) {
      if (asker->dead) return absl::UnavailableError("a connection has ended");
      open += asker->open;
    }
    if (due >= end && open == 0) return absl::OkStatus();
    if (now > give_up) {
      return absl::DeadlineExceededError(absl::StrCat(open, " not answered"));
    }
    loop.RunOnce(absl::ZeroDuration());
    if (nap > absl::ZeroDuration() && due - absl::Now() > nap) {
      absl::SleepFor(nap);
    }
  }
}

absl::Status Run() {
  Region region;
  region.tenants = absl::GetFlag(FLAGS_tenants);
  region.partitions = absl::GetFlag(FLAGS_partitions);
  region.patterns = absl::GetFlag(FLAGS_patterns);
  const std::string pki = absl::GetFlag(FLAGS_pki);
  TlsContextOptions tls;
  tls.role = TlsRole::kClient;
  tls.application_protocols = {"h2"};
  tls.accept_peer = [expected = "spiffe://" +
                                absl::GetFlag(FLAGS_trust_domain) +
                                "/dialplan"](const PeerCertificate& peer) {
    const auto uris = peer.leaf.AltNames(SubjectAltName::Type::kUri);
    return uris == std::vector<std::string>{expected}
               ? absl::OkStatus()
               : absl::UnauthenticatedError("it is no dialplan");
  };
  SP_ASSIGN_OR_RETURN(
      const std::shared_ptr<const TlsContext> context,
      TlsContext::CreateFromFiles(pki + "/operator.pem", pki + "/operator.key",
                                  pki + "/ca.pem", std::move(tls)));
  SP_ASSIGN_OR_RETURN(const SocketAddress address,
                      SocketAddress::Parse(absl::GetFlag(FLAGS_target)));
  SP_ASSIGN_OR_RETURN(const std::unique_ptr<EventLoop> loop,
                      EventLoop::Create());
  Results results;
  std::vector<std::unique_ptr<Asker>> askers;
  for (int i = 0; i < absl::GetFlag(FLAGS_connections); ++i) {
    askers.push_back(std::make_unique<Asker>(region, i * 31, results));
    SP_RETURN_IF_ERROR(askers.back()->Connect(*loop, address, context));
  }
  const auto until = [&](auto done) -> absl::Status {
    const absl::Time give_up = absl::Now() + absl::Seconds(30);
    while (!std::all_of(askers.begin(), askers.end(), done)) {
      for (const auto& asker : askers) {
        if (asker->dead) return absl::UnavailableError(results.failure);
      }
      if (absl::Now() > give_up)
        return absl::DeadlineExceededError("no answer");
      loop->RunOnce(absl::Milliseconds(1));
    }
    return absl::OkStatus();
  };
  SP_RETURN_IF_ERROR(until([](const auto& asker) { return asker->connected; }));
  // Every tenant once, so that they are compiled.
  for (int t = 0; t < region.tenants; ++t) {
    pb::ResolveRouteRequest question;
    question.set_parent(TenantOfPattern(region, t));
    question.set_called_number("1");
    askers[0]->Ask(absl::Now(), &question);
    askers[0]->Flush();
    if (t % 50 == 0) {
      SP_RETURN_IF_ERROR(until([](const auto& a) { return a->open == 0; }));
    }
  }
  SP_RETURN_IF_ERROR(until([](const auto& asker) { return asker->open == 0; }));
  for (const auto& asker : askers) asker->strict = true;

  std::vector<absl::Duration> late;
  SP_RETURN_IF_ERROR(Ask(*loop, askers, absl::Seconds(1), late));
  results.samples.clear();
  late.clear();
  const int pid = absl::GetFlag(FLAGS_server_pid);
  const absl::Duration length = absl::Seconds(absl::GetFlag(FLAGS_seconds));
  const Ticks before = ReadTicks(pid);
  SP_RETURN_IF_ERROR(Ask(*loop, askers, length, late));
  const Ticks after = ReadTicks(pid);
  if (results.failed > 0) {
    return absl::InternalError(
        absl::StrCat(results.failed, " calls failed: ", results.failure));
  }
  const std::string more =
      absl::StrCat(", \"late_p99_us\": ", PercentileMs(late, 0.99) * 1000);
  std::printf("%s\n",
              ReportLine(results.samples, length, before, after, more).c_str());
  return absl::OkStatus();
}

}  // namespace
}  // namespace sallyport::dialplan

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  const absl::Status status = sallyport::dialplan::Run();
  if (status.ok()) return 0;
  std::fprintf(stderr, "decision_load: %s\n", status.ToString().c_str());
  return 1;
}
