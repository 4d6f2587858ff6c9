#include "services/dialplan/load/load_client.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "sallyport/common/config/v1/server_config.pb.h"
#include "services/common/rpc/client_channel.h"
#include "services/common/status/status_macros.h"

namespace sallyport::dialplan {

absl::StatusOr<std::shared_ptr<grpc::Channel>> LoadChannel(
    const LoadTarget& target, const std::string& identity) {
  common::config::v1::TlsFiles files;
  files.set_certificate_file(target.pki + "/" + identity + ".pem");
  files.set_key_file(target.pki + "/" + identity + ".key");
  files.set_ca_file(target.pki + "/ca.pem");
  // Channels of one provider could share a connection.
  SP_ASSIGN_OR_RETURN(TlsFilesProvider provider,
                      WatchTlsFiles(files, absl::Hours(1)));
  ClientChannelOptions options;
  options.target = target.address;
  options.expected_identity = "spiffe://" + target.trust_domain + "/dialplan";
  return MakeClientChannel(std::move(provider), options);
}

double PercentileMs(std::vector<absl::Duration>& samples, double share) {
  if (samples.empty()) return 0;
  std::sort(samples.begin(), samples.end());
  const auto rank =
      static_cast<size_t>(share * static_cast<double>(samples.size()));
  return absl::ToDoubleMilliseconds(
      samples[std::min(rank, samples.size() - 1)]);
}

}  // namespace sallyport::dialplan
