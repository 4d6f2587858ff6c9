// The media_relay binary as a process with a ring of verification keys from its
// cache, and the clients of TURN that are tried against it.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_TURN_PROCESS_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_TURN_PROCESS_H_

#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "services/common/net/socket_address.h"
#include "services/common/random/system_random.h"
#include "services/common/testing/mtls_pki.h"
#include "services/common/testing/service_process.h"
#include "services/common/turn_credential/turn_credential.h"
#include "services/media_relay/core/turn_test_client.h"
#include "services/media_relay/relay_test_setup.h"

namespace sallyport::media_relay {

// What a command wrote, and its exit code at the end when it is not 0.
inline std::string RunCommand(const std::string& command) {
  FILE* const pipe = popen((command + " 2>&1").c_str(), "r");
  std::string out;
  std::array<char, 4096> buffer;
  while (const size_t n = fread(buffer.data(), 1, buffer.size(), pipe)) {
    out.append(buffer.data(), n);
  }
  const int code = pclose(pipe);
  return code == 0 ? out : absl::StrCat(out, "\nexit code ", code);
}

// Thread-compatible.
class TurnProcessTest : public testing::Test {
 protected:
  static constexpr const char* kTrustDomain = kTestTrustDomain;

  static void SetUpTestSuite() { pki_ = new MtlsPki("relay"); }
  static void TearDownTestSuite() {
    delete pki_;
    pki_ = nullptr;
  }

  TurnProcessTest()
      : process_(
            "services/media_relay/media_relay",
            absl::StrCat(
                testing::TempDir(), "/",
                testing::UnitTest::GetInstance()->current_test_info()->name())),
        turn_pair_(pki_->Issue("turn", "DNS:turn.test,IP:127.0.0.1")) {
    EXPECT_TRUE(WriteTestRing(process_.folder() + "/keys.cache").ok());
  }

  // TCP and TLS are served; `extra` is appended to the configuration.
  void Start(int loops, const std::string& extra = "") {
    Configure(process_, loops, extra);
    process_.Start();
  }

  // What a relay says that does not start with this configuration.
  std::string StartRefused(const std::string& extra = "") {
    Configure(process_, 1, extra);
    return RunCommand(
        absl::StrCat("timeout 20 services/media_relay/media_relay --config=",
                     process_.folder(), "/config.json"));
  }

  // Another relay with the same keys; Configure()d here, and started there.
  std::unique_ptr<ServiceProcess> Another(const std::string& name) {
    auto other = std::make_unique<ServiceProcess>(
        "services/media_relay/media_relay",
        absl::StrCat(process_.folder(), "/", name));
    EXPECT_TRUE(WriteTestRing(other->folder() + "/keys.cache").ok());
    return other;
  }

  void Configure(ServiceProcess& process, int loops,
                 const std::string& extra = "") {
    const std::string server = process.ServerJson(
        pki_->IssueSpiffe(kTrustDomain, "media_relay"), kTrustDomain,
        absl::StrCat(",\"drain_timeout\":\"", drain_timeout_,
                     "\",\"tls_refresh_interval\":\"1s\",\"role_bindings\":["
                     "{\"identity\":\"spiffe://t.test/operator/ann\","
                     "\"role\":\"ROLE_OPERATOR\",\"tenants\":[\"*\"]}]"));
    process.WriteConfig(absl::StrCat(
        "{\"server\":", server,
        ",\"credential_issuer\":{\"target\":\"127.0.0.1:1\"}",
        ",\"external\":{\"addresses\":[", addresses_, "]", external_, "}",
        ",\"ephemeral_ports\":true,\"loops\":", loops,
        ",\"turn_tls\":{\"certificate_file\":\"", turn_pair_.certificate_file,
        "\",\"key_file\":\"", turn_pair_.key_file, "\"}",
        ",\"peer_policy\":{\"allowed_prefixes\":[", prefixes_, "]}",
        ",\"limits\":{\"max_allocations_per_subject\":100", limits_, "}", extra,
        ",\"keys_cache_file\":\"", process.folder(), "/keys.cache\"}"));
  }

  TurnCredential Credential(const std::string& subject = "subject") {
    TurnClaims claims;
    claims.key_id = 7;
    claims.expiry = absl::Now() + absl::Hours(1);
    claims.tenant = "default";
    claims.subject = subject;
    return MintTurnCredential(claims, TestKey(), absl::Now(), random_).value();
  }

  // coturn's own client at `port` with `flags`.
  std::string Uclient(int port, const std::string& flags, int size = 172,
                      int messages = 25, int milliseconds = 10,
                      const std::string& host = "127.0.0.1") {
    const TurnCredential credential = Credential();
    return RunCommand(absl::StrCat(
        "timeout 25 turnutils_uclient -n ", messages, " -m 2 -l ", size, " -z ",
        milliseconds, " -v -u '", credential.username, "' -w '",
        std::string(credential.password.DangerousText()), "' -p ", port, " ",
        flags, " ", host));
  }

  // Metric `name` with `labels` ("{...}" or nothing), as scraped.
  double Metric(const std::string& name) {
    const std::string text = RunCommand(
        absl::StrCat("curl -s http://127.0.0.1:", process_.port("metrics"),
                     "/metrics | grep -F '", name, " '"));
    const size_t space = text.rfind(' ');
    return space == std::string::npos || text.find("exit code") != text.npos
               ? -1
               : std::atof(text.c_str() + space);
  }

  static MtlsPki* pki_;
  std::string drain_timeout_ = "5s";
  // More limits, in JSON, each with a comma before it.
  std::string limits_;
  // External ones, in JSON.
  std::string addresses_ = "\"127.0.0.1\"";
  // More of `external`, in JSON, with a comma before it.
  std::string external_;
  // Peers that may be reached, in JSON.
  std::string prefixes_ = "\"127.0.0.0/30\",\"::1/128\"";
  SystemRandom random_;
  ServiceProcess process_;
  PemFiles turn_pair_;
};

inline MtlsPki* TurnProcessTest::pki_ = nullptr;

// Nothing was lost of what `out` says a client sent.
inline void ExpectAllReceived(const std::string& out, int messages) {
  EXPECT_NE(out.find("Total lost packets 0 "), std::string::npos) << out;
  const std::string totals =
      absl::StrCat("tot_send_msgs=", messages, ", tot_recv_msgs=", messages);
  EXPECT_NE(out.find(totals), std::string::npos) << out;
}

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_TURN_PROCESS_H_
