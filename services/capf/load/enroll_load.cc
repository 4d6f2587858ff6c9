// Phones that enrol over the CAPF protocol as fast as they are served, each by
// its own authentication string and with a fresh key; or, with --wait, phones
// that all say that they make their keys, and stay. The last line is JSON.

#include <openssl/bytestring.h>
#include <openssl/ec_key.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/client_context.h"
#include "sallyport/capf/v1/capf_service.grpc.pb.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "services/capf/core/capf_message.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/byte_stream.h"
#include "services/common/net/event_loop.h"
#include "services/common/net/socket_address.h"
#include "services/common/rpc/client_channel.h"
#include "services/common/rpc/tls_files.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"
#include "services/common/status/status_macros.h"
#include "services/common/tls/tls_context.h"
#include "services/common/tls/tls_stream.h"
#include "services/common/tls/trust_anchors.h"

ABSL_FLAG(std::string, target, "", "gRPC address of capf");
ABSL_FLAG(std::string, pki, "", "folder of tools/dev/mint_dev_certs");
ABSL_FLAG(std::string, operator_name, "operator", "whose files to use");
ABSL_FLAG(std::string, trust_domain, "demo.sallyport.test", "of the PKI");
ABSL_FLAG(std::string, capf, "", "address of the CAPF port");
ABSL_FLAG(std::string, authority, "", "certificate of capf's authority, PEM");
ABSL_FLAG(int, phones, 4000, "how many enrol");
ABSL_FLAG(int, open, 64, "phones that are connected at once");
ABSL_FLAG(int, wait, 0, "so many wait for their keys instead");
ABSL_FLAG(bool, tls13, false, "offer TLS 1.3 and X25519 too");
ABSL_FLAG(int, first, 0, "number of the first phone; of others beside us");

namespace sallyport::capf {
namespace {

namespace pb = ::sallyport::capf::v1;

constexpr char kString[] = "12345678";

std::string DeviceName(int number) {
  return absl::StrFormat("SEP%012X",
                         0x020000000000 + absl::GetFlag(FLAGS_first) + number);
}

absl::Status CreateEnrollments(int count) {
  const std::string folder = absl::GetFlag(FLAGS_pki);
  const std::string name = absl::GetFlag(FLAGS_operator_name);
  common::config::v1::TlsFiles files;
  files.set_certificate_file(absl::StrCat(folder, "/", name, ".pem"));
  files.set_key_file(absl::StrCat(folder, "/", name, ".key"));
  files.set_ca_file(folder + "/ca.pem");
  ClientChannelOptions options;
  options.target = absl::GetFlag(FLAGS_target);
  options.expected_identity =
      absl::StrCat("spiffe://", absl::GetFlag(FLAGS_trust_domain), "/capf");
  std::atomic<int> next = 0;
  std::atomic<int> failed = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    SP_ASSIGN_OR_RETURN(TlsFilesProvider provider,
                        WatchTlsFiles(files, absl::Hours(1)));
    auto channel = MakeClientChannel(std::move(provider), options);
    threads.emplace_back([&next, &failed, count, channel] {
      const auto stub = pb::CapfService::NewStub(channel);
      for (int number; (number = next++) < count;) {
        pb::CreateEnrollmentRequest request;
        request.set_parent("tenants/default");
        pb::Enrollment& enrollment = *request.mutable_enrollment();
        enrollment.set_device_name(DeviceName(number));
        enrollment.set_operation(pb::CERTIFICATE_OPERATION_INSTALL_UPGRADE);
        enrollment.set_authentication_string(kString);
        grpc::ClientContext context;
        context.set_wait_for_ready(true);
        context.set_deadline(
            absl::ToChronoTime(absl::Now() + absl::Seconds(60)));
        pb::Enrollment response;
        const grpc::Status status =
            stub->CreateEnrollment(&context, request, &response);
        if (!status.ok() && ++failed == 1) {
          std::fprintf(stderr, "%s\n", status.error_message().c_str());
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (failed == 0) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat(failed.load(), " enrollments failed"));
}

std::vector<uint8_t> NewKey() {
  bssl::UniquePtr<EC_KEY> ec(EC_KEY_new_by_curve_name(NID_X9_62_prime256v1));
  bssl::UniquePtr<EVP_PKEY> key(EVP_PKEY_new());
  bssl::ScopedCBB cbb;
  uint8_t* data = nullptr;
  size_t size = 0;
  if (!EC_KEY_generate_key(ec.get()) ||
      !EVP_PKEY_set1_EC_KEY(key.get(), ec.get()) || !CBB_init(cbb.get(), 128) ||
      !EVP_marshal_public_key(cbb.get(), key.get()) ||
      !CBB_finish(cbb.get(), &data, &size)) {
    return {};
  }
  const bssl::UniquePtr<uint8_t> owner(data);
  return {data, data + size};
}

class Fleet;

// One phone on one connection. Loop thread only.
class Phone final : public StreamHandler {
 public:
  Phone(Fleet& fleet, int number) : fleet_(fleet), number_(number) {}

  absl::Status Connect(EventLoop& loop, const SocketAddress& address,
                       const std::shared_ptr<const TlsContext>& tls) {
    start_ = absl::Now();
    SP_ASSIGN_OR_RETURN(stream_,
                        TlsStream::Connect(loop, address, tls, {}, *this));
    return absl::OkStatus();
  }

  void OnOpen() override {}
  void OnData(ByteSpan data) override {
    received_.append(AsText(data));
    while (true) {
      const auto parsed = ParseCapfMessage(AsBytes(received_));
      if (!parsed.ok() || !parsed->has_value()) return;
      received_.erase(0, (*parsed)->consumed);
      OnMessage((*parsed)->message);
    }
  }
  void OnEnd() override { End(); }
  void OnClosed(absl::Status) override { End(); }

  // Its key is made, which took it long.
  void GoOn() {
    CapfMessage answer;
    answer.opcode = CapfOpcode::kKeyGenerateResponse;
    answer.public_key = NewKey();
    Send(std::move(answer), asked_);
  }

  absl::Time start() const { return start_; }
  bool good() const { return good_; }
  int number() const { return number_; }

 private:
  void OnMessage(const CapfMessage& message);
  void Send(CapfMessage message, const CapfMessage& to) {
    message.session_id = to.session_id;
    const auto wire = SerializeCapfMessage(message);
    if (wire.ok()) stream_->Write(AsBytes(*wire)).IgnoreError();
  }
  void End();

  Fleet& fleet_;
  const int number_;
  std::unique_ptr<TlsStream> stream_;
  absl::Time start_;
  std::string received_;
  CapfMessage asked_;  // to make a key, while it waits
  bool good_ = false;
  bool ended_ = false;
};

// All phones, on one loop. Loop thread only.
class Fleet {
 public:
  Fleet(EventLoop& loop, const SocketAddress& address,
        std::shared_ptr<const TlsContext> tls, int phones, bool waits)
      : loop_(loop),
        address_(address),
        tls_(std::move(tls)),
        phones_(phones),
        waits_(waits) {}

  bool waits() const { return waits_; }
  int ended() const { return ended_; }
  int waiting = 0;
  int failed = 0;
  bool all_wait = false;
  std::vector<absl::Duration> samples;

  // One of those that wait goes on, if there is one.
  void GoOn() {
    while (gone_on_ < open_.size() && open_[gone_on_] == nullptr) ++gone_on_;
    if (gone_on_ < open_.size()) open_[gone_on_++]->GoOn();
  }

  void Next() {
    if (all_wait) return GoOn();
    if (next_ >= phones_) return;
    auto phone = std::make_unique<Phone>(*this, next_++);
    Phone& started = *phone;
    const int number = started.number();
    open_.resize(std::max<size_t>(open_.size(), number + 1));
    open_[number] = std::move(phone);
    if (!started.Connect(loop_, address_, tls_).ok()) OnEnd(started);
  }

  void OnEnd(Phone& phone) {
    ++ended_;
    if (phone.good()) {
      samples.push_back(absl::Now() - phone.start());
    } else {
      ++failed;
    }
    // The phone is what calls us.
    loop_.Defer([this, number = phone.number()] {
      open_[number].reset();
      Next();
    });
  }

 private:
  EventLoop& loop_;
  const SocketAddress address_;
  const std::shared_ptr<const TlsContext> tls_;
  const int phones_;
  const bool waits_;
  int next_ = 0;
  int ended_ = 0;
  std::vector<std::unique_ptr<Phone>> open_;  // by number
  size_t gone_on_ = 0;                        // those before it have
};

void Phone::OnMessage(const CapfMessage& message) {
  CapfMessage answer;
  switch (message.opcode) {
    case CapfOpcode::kAuthRequest:
      answer.opcode = CapfOpcode::kAuthResponse;
      answer.reason = 1;
      answer.protocol_version = 3;
      answer.authentication_string = kString;
      answer.device_name = DeviceName(number_);
      return Send(std::move(answer), message);
    case CapfOpcode::kKeyGenerateRequest: {
      CapfMessage busy;
      busy.opcode = CapfOpcode::kRequestInProgress;
      Send(std::move(busy), message);
      if (fleet_.waits()) {
        asked_ = message;
        ++fleet_.waiting;
        return;
      }
      answer.opcode = CapfOpcode::kKeyGenerateResponse;
      answer.public_key = NewKey();
      return Send(std::move(answer), message);
    }
    case CapfOpcode::kStoreCertRequest:
      answer.opcode = CapfOpcode::kStoreCertResponse;
      answer.reason = 1;
      return Send(std::move(answer), message);
    case CapfOpcode::kEndSession:
      good_ = message.reason == 1;
      stream_->Finish();
      return;
    default:
      return;
  }
}

void Phone::End() {
  if (std::exchange(ended_, true)) return;
  fleet_.OnEnd(*this);
}

absl::Status Run() {
  rlimit files = {};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);

  const int wait = absl::GetFlag(FLAGS_wait);
  const int phones = wait > 0 ? wait : absl::GetFlag(FLAGS_phones);
  SP_RETURN_IF_ERROR(CreateEnrollments(phones));
  TlsContextOptions options;
  options.role = TlsRole::kClient;
  // As phones do: TLS 1.2, AES-GCM, P-256 and P-384.
  options.approved_only = !absl::GetFlag(FLAGS_tls13);
  std::ifstream file(absl::GetFlag(FLAGS_authority));
  const std::string pem((std::istreambuf_iterator<char>(file)), {});
  SP_ASSIGN_OR_RETURN(options.trust_anchors, TrustAnchors::FromPem(pem));
  SP_ASSIGN_OR_RETURN(const auto tls, TlsContext::Create(std::move(options)));
  SP_ASSIGN_OR_RETURN(const SocketAddress address,
                      SocketAddress::Parse(absl::GetFlag(FLAGS_capf)));
  SP_ASSIGN_OR_RETURN(const auto loop, EventLoop::Create());
  Fleet fleet(*loop, address, tls, phones, wait > 0);

  // A line from whoever measures starts it, and another one ends the waiting.
  std::printf("ready\n");
  std::fflush(stdout);
  std::getchar();
  const absl::Time start = absl::Now();
  for (int i = 0; i < absl::GetFlag(FLAGS_open); ++i) fleet.Next();
  if (wait > 0) {
    int told = 0;
    while (fleet.waiting + fleet.ended() < phones) {
      loop->RunOnce(absl::Milliseconds(100));
      // Each that waits makes room for another to come.
      for (; told < fleet.waiting; ++told) fleet.Next();
    }
    std::printf("waiting\n");
    std::fflush(stdout);
    std::getchar();
    // Each of them gets its certificate.
    fleet.all_wait = true;
    for (int i = 0; i < absl::GetFlag(FLAGS_open); ++i) fleet.GoOn();
    while (fleet.ended() < phones) loop->RunOnce(absl::Milliseconds(100));
    std::printf("{\"waiting\": %d, \"enrolled\": %zu, \"failed\": %d}\n",
                fleet.waiting, fleet.samples.size(), fleet.failed);
    return absl::OkStatus();
  }
  while (fleet.ended() < phones) loop->RunOnce(absl::Milliseconds(100));
  const double seconds = absl::ToDoubleSeconds(absl::Now() - start);
  std::sort(fleet.samples.begin(), fleet.samples.end());
  const auto at = [&](double share) {
    if (fleet.samples.empty()) return 0.0;
    const auto rank = static_cast<size_t>(
        share * static_cast<double>(fleet.samples.size() - 1));
    return absl::ToDoubleMilliseconds(fleet.samples[rank]);
  };
  std::printf(
      "{\"enrolled\": %zu, \"failed\": %d, \"seconds\": %.3f, "
      "\"per_second\": %.1f, \"p50_ms\": %.2f, \"p99_ms\": %.2f}\n",
      fleet.samples.size(), fleet.failed, seconds,
      static_cast<double>(fleet.samples.size()) / seconds, at(0.5), at(0.99));
  return absl::OkStatus();
}

}  // namespace
}  // namespace sallyport::capf

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  const absl::Status status = sallyport::capf::Run();
  if (status.ok()) return 0;
  std::fprintf(stderr, "enroll_load: %s\n", status.ToString().c_str());
  return 1;
}
