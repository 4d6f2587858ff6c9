// absl::Status to grpc::Status and back, at the edge of a service only.
//
// On the wire an error is a google.rpc.Status with one google.rpc.ErrorInfo
// (reason, domain "sallyport") and, for wrong requests, google.rpc.BadRequest.

#ifndef SALLYPORT_SERVICES_COMMON_STATUS_STATUS_GRPC_H_
#define SALLYPORT_SERVICES_COMMON_STATUS_STATUS_GRPC_H_

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace sallyport {

inline constexpr char kErrorDomain[] = "sallyport";

// What the peer is told. A status without reason gets the name of its code as
// one ("NOT_FOUND"). The text of INTERNAL, UNKNOWN and DATA_LOSS stays inside:
// it is logged, and the peer reads "internal error". Field violations beyond
// some 4000 octets are counted, not told.
grpc::Status ToGrpc(const absl::Status& status);

// What a peer told us: code, message, reason and field violations. A refusal
// by AccessPolicy, which gRPC sends without details, has its reason as the
// first word of its message and is understood too.
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_STATUS_STATUS_GRPC_H_
