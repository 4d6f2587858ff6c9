// One service's stream of trust bundles.

#ifndef SALLYPORT_SERVICES_CAPF_RPC_TRUST_WATCH_H_
#define SALLYPORT_SERVICES_CAPF_RPC_TRUST_WATCH_H_

#include <string>

#include "grpcpp/support/server_callback.h"
#include "sallyport/capf/v1/trust_bundle.pb.h"
#include "services/capf/io/trust_publisher.h"

namespace sallyport::capf {

// Begins with the whole bundle (in several steps if it is large), then sends
// what changed as soon as it does, and an empty step at each beat of the
// publisher that found nothing new. At most one step is unsent: a slow consumer
// gets several changes in one. The reactor deletes itself. `publisher` must
// outlive it.
grpc::ServerWriteReactor<::sallyport::capf::v1::WatchTrustBundleResponse>*
StartTrustWatch(TrustPublisher& publisher, const std::string& consumer,
                const std::string& identity);

}  // namespace sallyport::capf

#endif  // SALLYPORT_SERVICES_CAPF_RPC_TRUST_WATCH_H_
