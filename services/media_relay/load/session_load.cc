// CreateSession and DeleteSession at a steady rate on a relay of its own, at
// its gRPC port or at its session listener, as one loop of an edge asks: one
// connection, by common/rpc's GrpcLoopClient, on a thread that does not sleep.
// So what is measured is the relay. Calls are made when they are due, whether
// or not earlier ones have been answered; a call's time is from its making to
// its answer. The last line is JSON.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "sallyport/media_relay/v1/session.pb.h"
#include "sallyport/type/v1/srtp_suite.pb.h"
#include "services/common/net/event_loop.h"
#include "services/common/rpc/grpc_loop_client.h"
#include "services/common/status/status_macros.h"
#include "services/common/testing/mtls_pki.h"
#include "services/common/testing/service_process.h"

ABSL_FLAG(std::string, relay, "", "the program");
ABSL_FLAG(std::string, port, "sessions", "grpc or sessions");
ABSL_FLAG(int, rate, 1000, "calls a second, each made and ended");
ABSL_FLAG(double, seconds, 5, "how long");
ABSL_FLAG(std::string, cpu, "", "processors of the relay; empty: any");
ABSL_FLAG(int, loops, 1, "of the relay");
ABSL_FLAG(absl::Duration, busy_poll, absl::ZeroDuration(),
          "of the session listener");

namespace sallyport::media_relay {
namespace {

constexpr char kTrustDomain[] = "t.test";
constexpr char kService[] = "/sallyport.media_relay.v1.MediaRelayService/";
constexpr absl::Duration kTimeout = absl::Seconds(5);

struct Results {
  std::vector<double> create_us;
  std::vector<double> delete_us;
  size_t open = 0;
  size_t failed = 0;
  std::string failure;
};

double Percentile(std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  const auto rank =
      static_cast<size_t>(share * static_cast<double>(sorted.size()));
  return sorted[std::min(rank, sorted.size() - 1)];
}

std::string Figures(std::string_view name, std::vector<double>& us) {
  std::sort(us.begin(), us.end());
  double sum = 0;
  size_t late = 0;
  for (const double one : us) {
    sum += one;
    late += one > 2500 ? 1 : 0;
  }
  const auto count = static_cast<double>(std::max<size_t>(us.size(), 1));
  const std::string begin = absl::StrCat("\"", std::string(name), "_");
  return absl::StrCat(
      begin, "mean_us\": ", sum / count, ", ", begin,
      "p50_us\": ", Percentile(us, 0.5), ", ", begin,
      "p99_us\": ", Percentile(us, 0.99), ", ", begin,
      "p999_us\": ", Percentile(us, 0.999), ", ", begin,
      "over_2500us_share\": ", static_cast<double>(late) / count);
}

// Makes a session and, when that is answered, ends it.
void MakeAndEnd(GrpcLoopClient& client, const std::string& request,
                Results& results) {
  ++results.open;
  const auto fail = [&results](const absl::Status& why) {
    ++results.failed;
    --results.open;
    results.failure = why.ToString();
  };
  const absl::Time begin = absl::Now();
  client.Call(
      0, absl::StrCat(kService, "CreateSession"), request, kTimeout,
      [&client, &results, fail, begin](absl::StatusOr<std::string> answer) {
        const absl::Time made = absl::Now();
        if (!answer.ok()) return fail(answer.status());
        results.create_us.push_back(absl::ToDoubleMicroseconds(made - begin));
        v1::Session session;
        session.ParseFromString(*answer);
        v1::DeleteSessionRequest end;
        end.set_name(session.name());
        end.set_owner("edge-0");
        client.Call(0, absl::StrCat(kService, "DeleteSession"),
                    end.SerializeAsString(), kTimeout,
                    [&results, fail, from = absl::Now()](
                        const absl::StatusOr<std::string>& ended) {
                      if (!ended.ok()) return fail(ended.status());
                      results.delete_us.push_back(
                          absl::ToDoubleMicroseconds(absl::Now() - from));
                      --results.open;
                    });
      });
}

absl::Status Ask(EventLoop& loop, GrpcLoopClient& client, absl::Duration length,
                 Results& results) {
  v1::CreateSessionRequest create;
  create.set_parent("tenants/default");
  v1::Session& session = *create.mutable_session();
  session.set_owner("edge-0");
  session.mutable_leg_a()->set_protocol(type::v1::MEDIA_PROTOCOL_SDES_SRTP);
  session.mutable_leg_b()->set_protocol(type::v1::MEDIA_PROTOCOL_RTP);
  const std::string request = create.SerializeAsString();
  const absl::Duration interval = absl::Seconds(1) / absl::GetFlag(FLAGS_rate);
  absl::Time due = absl::Now();
  const absl::Time end = due + length;
  while (due < end || results.open > 0) {
    if (due < end && absl::Now() >= due) {
      MakeAndEnd(client, request, results);
      due += interval;
    }
    if (absl::Now() > end + absl::Seconds(10)) {
      return absl::DeadlineExceededError("calls were not answered");
    }
    loop.RunOnce(absl::ZeroDuration());
  }
  return results.failed == 0 ? absl::OkStatus()
                             : absl::InternalError(results.failure);
}

absl::Status Run(const std::string& folder) {
  MtlsPki pki("session_load");
  ServiceProcess relay("media_relay", folder);
  if (const std::string cpu = absl::GetFlag(FLAGS_cpu); !cpu.empty()) {
    relay.RunUnder({"taskset", "-c", cpu});
  }
  relay.WriteConfig(absl::StrCat(
      "{\"server\":",
      relay.ServerJson(pki.IssueSpiffe(kTrustDomain, "media_relay"),
                       kTrustDomain),
      ",\"ephemeral_ports\":true,\"disable_tcp\":true,\"loops\":",
      absl::GetFlag(FLAGS_loops),
      ",\"port_quarantine\":\"0.001s\""
      ",\"external\":{\"addresses\":[\"127.0.0.1\"]}"
      ",\"session_listener\":{\"listen_address\":\"127.0.0.1:0\","
      "\"busy_poll\":\"",
      absl::ToDoubleSeconds(absl::GetFlag(FLAGS_busy_poll)), "s\"}}"));
  relay.Start();
  const PemFiles edge = pki.IssueSpiffe(kTrustDomain, "signaling_edge");
  GrpcLoopClient::Options options;
  options.tls.set_certificate_file(edge.certificate_file);
  options.tls.set_key_file(edge.key_file);
  options.tls.set_ca_file(edge.ca_file);
  options.servers = {
      {absl::StrCat("127.0.0.1:", relay.port(absl::GetFlag(FLAGS_port))),
       absl::StrCat("spiffe://", kTrustDomain, "/media_relay")}};
  SP_ASSIGN_OR_RETURN(const std::unique_ptr<EventLoop> loop,
                      EventLoop::Create());
  SP_ASSIGN_OR_RETURN(const std::unique_ptr<GrpcLoopClient> shared,
                      GrpcLoopClient::Start(std::move(options)));
  const std::unique_ptr<GrpcLoopClient> client = shared->On(*loop);
  Results warm;
  SP_RETURN_IF_ERROR(Ask(*loop, *client, absl::Seconds(1), warm));
  Results results;
  SP_RETURN_IF_ERROR(Ask(*loop, *client,
                         absl::Seconds(absl::GetFlag(FLAGS_seconds)), results));
  std::printf("{%s, %s}\n", Figures("create", results.create_us).c_str(),
              Figures("delete", results.delete_us).c_str());
  return absl::OkStatus();
}

}  // namespace
}  // namespace sallyport::media_relay

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  std::string folder = "/tmp/session_load.XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) return 1;
  // As a test's environment, which starts programs of its runfiles.
  std::filesystem::create_directory(folder + "/sallyport");
  std::filesystem::create_symlink(
      std::filesystem::absolute(absl::GetFlag(FLAGS_relay)),
      folder + "/sallyport/media_relay");
  setenv("TEST_SRCDIR", folder.c_str(), 1);
  setenv("TEST_TMPDIR", folder.c_str(), 1);
  const absl::Status status = sallyport::media_relay::Run(folder);
  std::filesystem::remove_all(folder);
  if (status.ok()) return 0;
  std::fprintf(stderr, "session_load: %s\n", status.ToString().c_str());
  return 1;
}
