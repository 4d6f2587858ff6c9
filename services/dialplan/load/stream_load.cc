// Consumers of the stream: how long a new one takes to have everything, and
// how soon each of many sees a change, at a steady rate of writes. The last
// line is JSON.

#include <atomic>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/client_context.h"
#include "sallyport/dialplan/v1/dialplan_service.grpc.pb.h"
#include "services/common/plan_snapshot/snapshot_state.h"
#include "services/common/status/status_macros.h"
#include "services/dialplan/load/load_client.h"
#include "services/dialplan/load/region.h"

ABSL_FLAG(std::string, target, "", "address of dialplan");
ABSL_FLAG(std::string, pki, "", "folder of tools/dev/mint_dev_certs");
ABSL_FLAG(int, snapshots, 5, "new consumers, one after the other");
ABSL_FLAG(int, consumers, 50, "consumers that follow the stream");
ABSL_FLAG(int, rate, 100, "writes a second");
ABSL_FLAG(double, seconds, 10, "how long is written");
ABSL_FLAG(int, writers, 64, "writes at one time at most");
ABSL_FLAG(int, tenants, 1000, "as in make_region");
ABSL_FLAG(int, partitions, 1000, "as in make_region");
ABSL_FLAG(int, patterns, 100000, "as in make_region");

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;

constexpr char kMark[] = "write ";

// When each write was sent and acknowledged. Thread-safe: one writer a slot,
// which readers read when the write has been seen.
struct Write {
  std::atomic<int64_t> sent_nanos = 0;
  std::atomic<int64_t> acknowledged_nanos = 0;
};

// A consumer that takes each message apart, and keeps no plan.
class Follower {
 public:
  Follower(std::shared_ptr<grpc::Channel> channel, int id,
           std::vector<Write>& writes)
      : stub_(pb::DialplanService::NewStub(channel)), writes_(writes) {
    pb::WatchSnapshotRequest request;
    request.set_consumer(absl::StrCat("load-", id));
    reader_ = stub_->WatchSnapshot(&context_, request);
    thread_ = std::thread([this] { Run(); });
  }
  ~Follower() {
    context_.TryCancel();
    thread_.join();
  }

  std::atomic<bool> ready = false;  // has everything
  std::atomic<size_t> seen = 0;     // writes
  std::atomic<size_t> full_parts_after_ready = 0;
  // From sending the write, and from its acknowledgement. Read at the end.
  std::vector<absl::Duration> from_sent;
  std::vector<absl::Duration> from_acknowledged;
  size_t messages = 0;

 private:
  void Run() {
    pb::WatchSnapshotResponse message;
    while (reader_->Read(&message)) {
      const int64_t now = absl::GetCurrentTimeNanos();
      if (message.has_full()) {
        if (ready) ++full_parts_after_ready;
        if (message.full().last()) ready = true;
        continue;
      }
      ++messages;
      for (const pb::Resource& resource : message.delta().upserted()) {
        const std::string& text = resource.route_pattern().description();
        size_t index = 0;
        if (text.rfind(kMark, 0) != 0 ||
            !absl::SimpleAtoi(text.substr(sizeof(kMark) - 1), &index) ||
            index >= writes_.size()) {
          continue;
        }
        from_sent.push_back(absl::Nanoseconds(now - writes_[index].sent_nanos));
        const int64_t acknowledged = writes_[index].acknowledged_nanos;
        from_acknowledged.push_back(
            acknowledged == 0 ? absl::ZeroDuration()
                              : absl::Nanoseconds(now - acknowledged));
        ++seen;
      }
    }
  }

  grpc::ClientContext context_;
  const std::unique_ptr<pb::DialplanService::Stub> stub_;
  std::vector<Write>& writes_;
  std::unique_ptr<grpc::ClientReader<pb::WatchSnapshotResponse>> reader_;
  std::thread thread_;
};

// Until a new consumer has everything, checked.
absl::StatusOr<absl::Duration> TimeSnapshot(const LoadTarget& target,
                                            size_t* resources, size_t* bytes) {
  SP_ASSIGN_OR_RETURN(auto channel, LoadChannel(target, "signaling_edge"));
  const auto stub = pb::DialplanService::NewStub(channel);
  grpc::ClientContext context;
  pb::WatchSnapshotRequest request;
  request.set_consumer("load-snapshot");
  const absl::Time start = absl::Now();
  const auto reader = stub->WatchSnapshot(&context, request);
  SnapshotState state;
  pb::WatchSnapshotResponse message;
  *bytes = 0;
  while (state.version() == 0) {
    if (!reader->Read(&message)) {
      return absl::UnavailableError(reader->Finish().error_message());
    }
    *bytes += message.ByteSizeLong();
    SP_RETURN_IF_ERROR(state.Apply(message).status());
  }
  const absl::Duration took = absl::Now() - start;
  *resources = state.resources().size();
  context.TryCancel();
  return took;
}

absl::Status Run() {
  Region region;
  region.tenants = absl::GetFlag(FLAGS_tenants);
  region.partitions = absl::GetFlag(FLAGS_partitions);
  region.patterns = absl::GetFlag(FLAGS_patterns);
  const LoadTarget target{absl::GetFlag(FLAGS_target),
                          absl::GetFlag(FLAGS_pki)};
  std::vector<absl::Duration> snapshots;
  size_t resources = 0;
  size_t bytes = 0;
  for (int i = 0; i < absl::GetFlag(FLAGS_snapshots); ++i) {
    SP_ASSIGN_OR_RETURN(absl::Duration took,
                        TimeSnapshot(target, &resources, &bytes));
    snapshots.push_back(took);
  }

  const int rate = absl::GetFlag(FLAGS_rate);
  const absl::Duration length = absl::Seconds(absl::GetFlag(FLAGS_seconds));
  const auto count = static_cast<size_t>(absl::ToDoubleSeconds(length) * rate);
  std::vector<Write> writes(count);
  std::vector<std::unique_ptr<Follower>> followers;
  const absl::Time opened = absl::Now();
  for (int i = 0; i < absl::GetFlag(FLAGS_consumers); ++i) {
    SP_ASSIGN_OR_RETURN(auto channel, LoadChannel(target, "signaling_edge"));
    followers.push_back(std::make_unique<Follower>(channel, i, writes));
  }
  for (const auto& follower : followers) {
    while (!follower->ready) {
      if (absl::Now() - opened > absl::Seconds(120)) {
        return absl::DeadlineExceededError("a consumer never had everything");
      }
      absl::SleepFor(absl::Milliseconds(1));
    }
  }
  const absl::Duration all_ready = absl::Now() - opened;

  // Each writer takes the next write when it is due.
  std::atomic<size_t> next = 0;
  std::atomic<size_t> failed = 0;
  std::vector<absl::Duration> write_times;
  absl::Mutex mutex;
  std::string failure;
  const absl::Time start = absl::Now() + absl::Milliseconds(100);
  std::vector<std::thread> writers;
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (int i = 0; i < 4; ++i) {
    SP_ASSIGN_OR_RETURN(auto channel, LoadChannel(target, "operator"));
    channels.push_back(std::move(channel));
  }
  for (int w = 0; w < absl::GetFlag(FLAGS_writers); ++w) {
    writers.emplace_back([&, w] {
      const auto stub = pb::DialplanService::NewStub(
          channels[static_cast<size_t>(w) % channels.size()]);
      std::vector<absl::Duration> own;
      for (;;) {
        const size_t i = next++;
        if (i >= count) break;
        const absl::Time due =
            start + absl::Seconds(1) * static_cast<double>(i) / rate;
        absl::SleepFor(due - absl::Now());
        pb::UpdateRoutePatternRequest request;
        request.mutable_route_pattern()->set_name(NameOfPattern(
            region,
            static_cast<int>(i % static_cast<size_t>(region.patterns))));
        request.mutable_route_pattern()->set_description(
            absl::StrCat(kMark, i));
        pb::RoutePattern response;
        grpc::ClientContext context;
        context.set_deadline(
            absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
        writes[i].sent_nanos = absl::GetCurrentTimeNanos();
        const grpc::Status status =
            stub->UpdateRoutePattern(&context, request, &response);
        writes[i].acknowledged_nanos = absl::GetCurrentTimeNanos();
        own.push_back(absl::Now() - due);
        if (!status.ok()) {
          ++failed;
          absl::MutexLock lock(&mutex);
          failure = status.error_message();
        }
      }
      absl::MutexLock lock(&mutex);
      write_times.insert(write_times.end(), own.begin(), own.end());
    });
  }
  for (std::thread& writer : writers) writer.join();
  const absl::Duration wrote = absl::Now() - start;
  if (failed > 0) {
    return absl::InternalError(
        absl::StrCat(failed.load(), " writes failed: ", failure));
  }
  const absl::Time give_up = absl::Now() + absl::Seconds(30);
  for (const auto& follower : followers) {
    while (follower->seen < count && follower->full_parts_after_ready == 0) {
      if (absl::Now() > give_up) {
        return absl::DataLossError(absl::StrCat("a consumer saw ",
                                                follower->seen.load(), " of ",
                                                count, " writes"));
      }
      absl::SleepFor(absl::Milliseconds(1));
    }
  }
  std::vector<absl::Duration> sent;
  std::vector<absl::Duration> acknowledged;
  size_t messages = 0;
  size_t restarts = 0;
  for (auto& follower : followers) {
    Follower& f = *follower;
    messages += f.messages;
    restarts += f.full_parts_after_ready > 0 ? 1 : 0;
    sent.insert(sent.end(), f.from_sent.begin(), f.from_sent.end());
    acknowledged.insert(acknowledged.end(), f.from_acknowledged.begin(),
                        f.from_acknowledged.end());
  }
  std::printf(
      "{\"snapshot_ms\": %.1f, \"snapshot_resources\": %zu, "
      "\"snapshot_bytes\": %zu, \"all_consumers_ready_ms\": %.1f, "
      "\"writes_per_second\": %.0f, \"write_p50_ms\": %.2f, "
      "\"write_p99_ms\": %.2f, \"visible_p50_ms\": %.2f, "
      "\"visible_p99_ms\": %.2f, \"visible_after_ack_p99_ms\": %.2f, "
      "\"visible_max_ms\": %.2f, \"messages_per_consumer\": %.1f, "
      "\"consumers_restarted\": %zu}\n",
      PercentileMs(snapshots, 0.5), resources, bytes,
      absl::ToDoubleMilliseconds(all_ready),
      static_cast<double>(count) / absl::ToDoubleSeconds(wrote),
      PercentileMs(write_times, 0.5), PercentileMs(write_times, 0.99),
      PercentileMs(sent, 0.5), PercentileMs(sent, 0.99),
      PercentileMs(acknowledged, 0.99), PercentileMs(sent, 1.0),
      followers.empty() ? 0.0
                        : static_cast<double>(messages) /
                              static_cast<double>(followers.size()),
      restarts);
  return absl::OkStatus();
}

}  // namespace
}  // namespace sallyport::dialplan

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  const absl::Status status = sallyport::dialplan::Run();
  if (status.ok()) return 0;
  std::fprintf(stderr, "stream_load: %s\n", status.ToString().c_str());
  return 1;
}
