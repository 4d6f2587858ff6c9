// IssueTurnCredential as fast as it is answered, with so many calls open at
// once. The last line is JSON.

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/support/async_unary_call.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "sallyport/credential_issuer/v1/credential_issuer_service.grpc.pb.h"
#include "services/common/rpc/client_channel.h"
#include "services/common/rpc/tls_files.h"
#include "services/common/status/status_macros.h"

ABSL_FLAG(std::string, target, "", "address of credential_issuer");
ABSL_FLAG(std::string, pki, "", "folder of tools/dev/mint_dev_certs");
ABSL_FLAG(std::string, trust_domain, "demo.sallyport.test", "of the PKI");
ABSL_FLAG(double, seconds, 10, "how long");
ABSL_FLAG(int, connections, 2, "connections, one thread each");
ABSL_FLAG(int, open, 256, "calls that are open at once, in all");

namespace sallyport::credential_issuer {
namespace {

struct Call {
  absl::Time start;
  grpc::ClientContext context;
  v1::TurnCredential response;
  grpc::Status status;
  std::unique_ptr<grpc::ClientAsyncResponseReader<v1::TurnCredential>> reader;
};

// One connection, driven by one thread. Thread-compatible.
class Driver {
 public:
  Driver(std::shared_ptr<grpc::Channel> channel, int number)
      : stub_(v1::CredentialIssuerService::NewStub(std::move(channel))),
        number_(number) {}

  void Run(int open, absl::Time end) {
    for (int i = 0; i < open; ++i) Start();
    void* tag = nullptr;
    bool ok = false;
    while (open > 0 && queue_.Next(&tag, &ok)) {
      Finish(static_cast<Call*>(tag));
      if (absl::Now() < end) {
        Start();
      } else {
        --open;
      }
    }
  }

  std::vector<absl::Duration> samples;
  size_t failed = 0;
  std::string failure;

 private:
  void Start() {
    v1::IssueTurnCredentialRequest request;
    request.set_parent(absl::StrCat("tenants/t", next_ % 16));
    request.set_subject(absl::StrCat("user", number_, ".", ++next_ % 100'000,
                                     "@demo.sallyport.test"));
    request.set_network(v1::CLIENT_NETWORK_INTERNET);
    auto* call = new Call;
    call->start = absl::Now();
    call->context.set_deadline(
        absl::ToChronoTime(call->start + absl::Seconds(30)));
    call->reader =
        stub_->AsyncIssueTurnCredential(&call->context, request, &queue_);
    call->reader->Finish(&call->response, &call->status, call);
  }

  void Finish(Call* call) {
    samples.push_back(absl::Now() - call->start);
    if (!call->status.ok() || call->response.password().size() != 43) {
      ++failed;
      failure = call->status.error_message();
    }
    delete call;
  }

  const std::unique_ptr<v1::CredentialIssuerService::Stub> stub_;
  const int number_;
  grpc::CompletionQueue queue_;
  int next_ = 0;
};

absl::StatusOr<std::shared_ptr<grpc::Channel>> Channel() {
  const std::string folder = absl::GetFlag(FLAGS_pki);
  common::config::v1::TlsFiles files;
  files.set_certificate_file(folder + "/signaling_edge.pem");
  files.set_key_file(folder + "/signaling_edge.key");
  files.set_ca_file(folder + "/ca.pem");
  // Channels of one provider could share a connection.
  SP_ASSIGN_OR_RETURN(TlsFilesProvider provider,
                      WatchTlsFiles(files, absl::Hours(1)));
  ClientChannelOptions options;
  options.target = absl::GetFlag(FLAGS_target);
  options.expected_identity = absl::StrCat(
      "spiffe://", absl::GetFlag(FLAGS_trust_domain), "/credential_issuer");
  return MakeClientChannel(std::move(provider), options);
}

double PercentileMs(const std::vector<absl::Duration>& sorted, double share) {
  if (sorted.empty()) return 0;
  const auto rank =
      static_cast<size_t>(share * static_cast<double>(sorted.size()));
  return absl::ToDoubleMilliseconds(sorted[std::min(rank, sorted.size() - 1)]);
}

absl::Status Run() {
  const int connections = std::max(1, absl::GetFlag(FLAGS_connections));
  const int open = std::max(1, absl::GetFlag(FLAGS_open) / connections);
  std::vector<std::unique_ptr<Driver>> drivers;
  for (int i = 0; i < connections; ++i) {
    SP_ASSIGN_OR_RETURN(auto channel, Channel());
    drivers.push_back(std::make_unique<Driver>(std::move(channel), i));
  }
  const auto all = [&](absl::Duration length) {
    const absl::Time end = absl::Now() + length;
    std::vector<std::thread> threads;
    for (const auto& driver : drivers) {
      threads.emplace_back([&driver, open, end] { driver->Run(open, end); });
    }
    for (std::thread& thread : threads) thread.join();
  };
  all(absl::Seconds(1));  // connections, caches and allocators
  size_t calls = 0;
  for (const auto& driver : drivers) {
    calls += driver->samples.size();
    driver->samples.clear();
  }
  const absl::Time start = absl::Now();
  all(absl::Seconds(absl::GetFlag(FLAGS_seconds)));
  const absl::Duration took = absl::Now() - start;

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
    return absl::InternalError(absl::StrCat(failed, " calls failed"));
  }
  std::sort(samples.begin(), samples.end());
  std::printf(
      "{\"issues_per_second\": %.0f, \"p50_ms\": %.2f, \"p99_ms\": %.2f,"
      " \"issued\": %zu}\n",
      static_cast<double>(samples.size()) / absl::ToDoubleSeconds(took),
      PercentileMs(samples, 0.5), PercentileMs(samples, 0.99),
      calls + samples.size());
  return absl::OkStatus();
}

}  // namespace
}  // namespace sallyport::credential_issuer

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  const absl::Status status = sallyport::credential_issuer::Run();
  if (status.ok()) return 0;
  std::fprintf(stderr, "issue_load: %s\n", status.ToString().c_str());
  return 1;
}
