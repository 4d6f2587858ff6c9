// ResolveRoute, or with --stream ResolveRoutes, at a steady rate. Questions are
// sent when they are due, whether or not earlier ones have been answered, and a
// question's time counts from when it was due, so that a stall is not
// forgotten. The last line is JSON.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/support/async_stream.h"
#include "grpcpp/support/async_unary_call.h"
#include "sallyport/dialplan/v1/dialplan_service.grpc.pb.h"
#include "services/common/status/status_macros.h"
#include "services/dialplan/load/load_client.h"
#include "services/dialplan/load/load_report.h"
#include "services/dialplan/load/region.h"

ABSL_FLAG(std::string, target, "", "address of dialplan");
ABSL_FLAG(std::string, pki, "", "folder of tools/dev/mint_dev_certs");
ABSL_FLAG(bool, stream, false, "by ResolveRoutes, a stream a connection");
ABSL_FLAG(int, rate, 10000, "questions a second");
ABSL_FLAG(double, seconds, 10, "how long");
// Two: one thread of a client is busy with 10 000 calls a second.
ABSL_FLAG(int, connections, 2, "connections, one thread each");
ABSL_FLAG(int, server_pid, 0, "whose processor time is told; 0: nobody's");
ABSL_FLAG(int, tenants, 1000, "as in make_region");
ABSL_FLAG(int, partitions, 1000, "as in make_region");
ABSL_FLAG(int, patterns, 100000, "as in make_region");

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;

// Added at most to a call's time.
constexpr absl::Duration kNap = absl::Microseconds(5);

// One connection, driven by one thread that looks at the clock and the queue
// in turn. Thread-compatible.
class Driver {
 public:
  Driver(const Region& region, int offset) : questions_(region, offset) {}
  virtual ~Driver() = default;

  void Run(absl::Time start, absl::Time end, absl::Duration interval) {
    absl::Time due = start;
    for (;;) {
      const absl::Time now = absl::Now();
      while (due <= now && due < end) {
        ++open_;
        Ask(due);
        due += interval;
      }
      if (due >= end && open_ == 0) return;
      // Waking up by the queue would be part of what is measured, and spinning
      // at realtime priority has the kernel stop us 50 ms of every second.
      if (!HandleEvent() && due - absl::Now() > kNap) absl::SleepFor(kNap);
    }
  }

  std::vector<absl::Duration> samples;
  size_t failed = 0;
  std::string failure;

 protected:
  virtual void Ask(absl::Time due) = 0;
  virtual void OnEvent(void* tag, bool ok) = 0;

  void Answered(absl::Time due, const pb::ResolveRouteResponse& response,
                const std::string& error) {
    --open_;
    samples.push_back(absl::Now() - due);
    if (error.empty() && response.decision() == pb::ROUTE_DECISION_ROUTED) {
      return;
    }
    ++failed;
    failure = error.empty() ? response.ShortDebugString() : error;
  }

  bool HandleEvent() {
    void* tag = nullptr;
    bool ok = false;
    if (queue_.AsyncNext(&tag, &ok, gpr_time_0(GPR_CLOCK_MONOTONIC)) !=
        grpc::CompletionQueue::GOT_EVENT) {
      return false;
    }
    OnEvent(tag, ok);
    return true;
  }

  QuestionSource questions_;
  grpc::CompletionQueue queue_;

 private:
  int open_ = 0;
};

// A call a question. Thread-compatible.
class UnaryDriver final : public Driver {
 public:
  UnaryDriver(const Region& region, std::shared_ptr<grpc::Channel> channel,
              int offset)
      : Driver(region, offset), stub_(pb::DialplanService::NewStub(channel)) {}

 private:
  struct Call {
    absl::Time due;
    grpc::ClientContext context;
    pb::ResolveRouteResponse response;
    grpc::Status status;
    std::unique_ptr<grpc::ClientAsyncResponseReader<pb::ResolveRouteResponse>>
        reader;
  };

  void Ask(absl::Time due) override {
    pb::ResolveRouteRequest request;
    questions_.Next(request);
    auto* call = new Call;
    call->due = due;
    call->context.set_deadline(
        absl::ToChronoTime(absl::Now() + absl::Seconds(10)));
    call->reader = stub_->AsyncResolveRoute(&call->context, request, &queue_);
    call->reader->Finish(&call->response, &call->status, call);
  }

  void OnEvent(void* tag, bool /*ok*/) override {
    const std::unique_ptr<Call> call(static_cast<Call*>(tag));
    Answered(call->due, call->response,
             call->status.ok() ? "" : call->status.error_message() + " ");
  }

  const std::unique_ptr<pb::DialplanService::Stub> stub_;
};

// One stream, on which a question is a message; those that fall due while one
// is being sent go together. Thread-compatible.
class StreamDriver final : public Driver {
 public:
  StreamDriver(const Region& region, std::shared_ptr<grpc::Channel> channel,
               int offset)
      : Driver(region, offset), stub_(pb::DialplanService::NewStub(channel)) {
    stream_ = stub_->AsyncResolveRoutes(&context_, &queue_, &start_tag_);
    while (!started_) HandleEvent();
    stream_->Read(&response_, &read_tag_);
  }
  ~StreamDriver() override {
    context_.TryCancel();
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }

 private:
  static constexpr int kMost = 100;

  void Ask(absl::Time due) override {
    asked_.push_back(due);
    questions_.Next(*waiting_.add_questions());
    Send();
  }

  void Send() {
    if (sending_ || waiting_.questions_size() == 0) return;
    pb::ResolveRoutesRequest request;
    const int size = std::min(waiting_.questions_size(), kMost);
    for (int i = 0; i < size; ++i) {
      request.add_questions()->Swap(waiting_.mutable_questions(i));
    }
    waiting_.mutable_questions()->DeleteSubrange(0, size);
    sending_ = true;
    stream_->Write(request, &write_tag_);
  }

  void OnEvent(void* tag, bool ok) override {
    if (tag == &start_tag_) {
      started_ = true;
    } else if (!ok) {
      Ended();
    } else if (tag == &write_tag_) {
      sending_ = false;
      Send();
    } else {
      for (const pb::ResolveRouteResult& result : response_.results()) {
        Answered(asked_.front(), result.response(),
                 result.has_error() ? result.error().message() + " " : "");
        asked_.pop_front();
      }
      stream_->Read(&response_, &read_tag_);
    }
  }

  [[noreturn]] void Ended() {
    grpc::Status status;
    char tag = 0;
    stream_->Finish(&status, &tag);
    void* event = nullptr;
    bool ok = false;
    while (event != &tag && queue_.Next(&event, &ok)) {
    }
    std::fprintf(stderr, "resolve_load: the stream has ended: %s\n",
                 status.error_message().c_str());
    std::exit(1);
  }

  const std::unique_ptr<pb::DialplanService::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<pb::ResolveRoutesRequest,
                                                pb::ResolveRoutesResponse>>
      stream_;
  pb::ResolveRoutesRequest waiting_;
  pb::ResolveRoutesResponse response_;
  std::deque<absl::Time> asked_;
  bool started_ = false;
  bool sending_ = false;
  char start_tag_ = 0;
  char write_tag_ = 0;
  char read_tag_ = 0;
};

// Asked once each, so that the tenants are compiled and the connection is up.
absl::Status WarmUp(const Region& region, pb::DialplanService::Stub& stub) {
  for (int t = 0; t < region.tenants; ++t) {
    pb::ResolveRouteRequest request;
    request.set_parent(TenantOfPattern(region, t));
    request.set_called_number("1");
    pb::ResolveRouteResponse response;
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(30)));
    const grpc::Status status = stub.ResolveRoute(&context, request, &response);
    if (!status.ok()) return absl::UnavailableError(status.error_message());
  }
  return absl::OkStatus();
}

absl::Status Run() {
  Region region;
  region.tenants = absl::GetFlag(FLAGS_tenants);
  region.partitions = absl::GetFlag(FLAGS_partitions);
  region.patterns = absl::GetFlag(FLAGS_patterns);
  const LoadTarget target{absl::GetFlag(FLAGS_target),
                          absl::GetFlag(FLAGS_pki)};
  const int connections = absl::GetFlag(FLAGS_connections);
  std::vector<std::unique_ptr<Driver>> drivers;
  for (int i = 0; i < connections; ++i) {
    SP_ASSIGN_OR_RETURN(auto channel, LoadChannel(target, "operator"));
    const auto stub = pb::DialplanService::NewStub(channel);
    SP_RETURN_IF_ERROR(WarmUp(region, *stub));
    if (absl::GetFlag(FLAGS_stream)) {
      drivers.push_back(
          std::make_unique<StreamDriver>(region, channel, i * 31));
    } else {
      drivers.push_back(std::make_unique<UnaryDriver>(region, channel, i * 31));
    }
  }
  const absl::Duration interval =
      absl::Seconds(1) * connections / absl::GetFlag(FLAGS_rate);
  const absl::Duration length = absl::Seconds(absl::GetFlag(FLAGS_seconds));
  const auto all = [&](absl::Duration how_long) {
    const absl::Time start = absl::Now() + absl::Milliseconds(50);
    std::vector<std::thread> threads;
    for (int i = 0; i < connections; ++i) {
      threads.emplace_back([&, i] {
        drivers[static_cast<size_t>(i)]->Run(start + interval * i / connections,
                                             start + how_long, interval);
      });
    }
    for (std::thread& thread : threads) thread.join();
  };
  all(absl::Seconds(1));  // caches and allocators
  for (const auto& driver : drivers) driver->samples.clear();
  const Ticks before = ReadTicks(absl::GetFlag(FLAGS_server_pid));
  all(length);
  const Ticks after = ReadTicks(absl::GetFlag(FLAGS_server_pid));
  std::vector<absl::Duration> samples;
  size_t failed = 0;
  for (const auto& driver : drivers) {
    samples.insert(samples.end(), driver->samples.begin(),
                   driver->samples.end());
    failed += driver->failed;
    if (driver->failed > 0) {
      std::fprintf(stderr, "%s\n", driver->failure.c_str());
    }
  }
  if (failed > 0) {
    return absl::InternalError(std::to_string(failed) + " calls failed");
  }
  std::printf("%s\n", ReportLine(samples, length, before, after).c_str());
  return absl::OkStatus();
}

}  // namespace
}  // namespace sallyport::dialplan

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  const absl::Status status = sallyport::dialplan::Run();
  if (status.ok()) return 0;
  std::fprintf(stderr, "resolve_load: %s\n", status.ToString().c_str());
  return 1;
}
