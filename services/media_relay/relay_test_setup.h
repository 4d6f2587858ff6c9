// What every test of the relay's process sets up: its keys, as an issuer that
// is down now gave them, and a caller over mutual TLS.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_RELAY_TEST_SETUP_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_RELAY_TEST_SETUP_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/grpcpp.h"
#include "sallyport/media_relay/v1/media_relay_service.grpc.pb.h"
#include "services/common/status/status_grpc.h"
#include "services/common/testing/mtls_pki.h"
#include "services/common/testing/service_process.h"

namespace sallyport::media_relay {

inline constexpr char kTestTrustDomain[] = "t.test";

using RelayStub = v1::MediaRelayService::Stub;

// As a relay keeps it: TestKey() is number 7, and good for nine hours.
absl::Status WriteTestRing(const std::string& file);

// `who` of the domain: "signaling_edge", "operator/ann". `port` as its ready
// file names it.
std::unique_ptr<RelayStub> ConnectToRelay(
    MtlsPki& pki, const ServiceProcess& relay,
    const std::string& who = "signaling_edge",
    const std::string& port = "grpc");

// Within 10 s.
template <typename Method, typename Request, typename Response>
absl::Status CallRelay(RelayStub& stub, Method method, const Request& request,
                       Response* response) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(10)));
  return FromGrpc((stub.*method)(&context, request, response));
}

// The value of a text or number field of flat JSON, as peers in Python write.
std::string JsonField(const std::string& json, const std::string& name);

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_RELAY_TEST_SETUP_H_
