// How the load programs reach dialplan, and what they count.

#ifndef SALLYPORT_SERVICES_DIALPLAN_LOAD_LOAD_CLIENT_H_
#define SALLYPORT_SERVICES_DIALPLAN_LOAD_LOAD_CLIENT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "services/common/rpc/tls_files.h"

namespace sallyport::dialplan {

struct LoadTarget {
  std::string address;  // "127.0.0.1:7001"
  std::string pki;      // the folder that tools/dev/mint_dev_certs made
  std::string trust_domain = "demo.sallyport.test";
};

// A channel over mutual TLS as `identity` ("operator", "signaling_edge"), with
// a connection of its own.
absl::StatusOr<std::shared_ptr<grpc::Channel>> LoadChannel(
    const LoadTarget& target, const std::string& identity);

// The value that `share` (0 to 1) of the samples do not exceed, in
// milliseconds; 0 if there are none. Sorts.
double PercentileMs(std::vector<absl::Duration>& samples, double share);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_LOAD_LOAD_CLIENT_H_
