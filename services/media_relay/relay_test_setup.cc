#include "services/media_relay/relay_test_setup.h"

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "sallyport/common/config/v1/server_config.pb.h"
#include "sallyport/credential_issuer/v1/verification_keys.pb.h"
#include "services/common/config/proto_time.h"
#include "services/common/files/durable_file.h"
#include "services/common/rpc/client_channel.h"
#include "services/common/rpc/tls_files.h"
#include "services/common/testing/mtls_pki.h"
#include "services/common/testing/service_process.h"
#include "services/media_relay/core/turn_test_client.h"

namespace sallyport::media_relay {

absl::Status WriteTestRing(const std::string& file) {
  credential_issuer::v1::WatchVerificationKeysResponse ring;
  ring.set_version(5);
  ring.set_full(true);
  ring.set_realm("sallyport");
  auto& key = *ring.add_keys();
  key.set_key_id(7);
  key.set_secret(std::string(TestKey().DangerousText()));
  const absl::Time now = absl::Now();
  *key.mutable_not_before_time() = ToProto(now - absl::Hours(1));
  *key.mutable_not_after_time() = ToProto(now + absl::Hours(9));
  return WriteDurableFile(file, ring.SerializeAsString());
}

std::unique_ptr<RelayStub> ConnectToRelay(MtlsPki& pki,
                                          const ServiceProcess& relay,
                                          const std::string& who,
                                          const std::string& port) {
  const PemFiles files = pki.IssueSpiffe(kTestTrustDomain, who);
  common::config::v1::TlsFiles tls;
  tls.set_certificate_file(files.certificate_file);
  tls.set_key_file(files.key_file);
  tls.set_ca_file(files.ca_file);
  ClientChannelOptions options;
  options.target = absl::StrCat("127.0.0.1:", relay.port(port));
  options.expected_identity =
      absl::StrCat("spiffe://", kTestTrustDomain, "/media_relay");
  return v1::MediaRelayService::NewStub(MakeClientChannel(
      WatchTlsFiles(tls, absl::Seconds(60)).value(), options));
}

std::string JsonField(const std::string& json, const std::string& name) {
  const std::string key = absl::StrCat("\"", name, "\": ");
  size_t begin = json.find(key);
  if (begin == std::string::npos) return "";
  begin += key.size();
  if (json[begin] == '"') {
    ++begin;
    return json.substr(begin, json.find('"', begin) - begin);
  }
  return json.substr(begin, json.find_first_of(",}", begin) - begin);
}

}  // namespace sallyport::media_relay
