#include "services/common/rpc/testing/raw_health.h"

#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/client_context.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/support/byte_buffer.h"

namespace sallyport {

RawHealth CheckHealth(std::shared_ptr<grpc::Channel> channel,
                      const std::string& name) {
  // HealthCheckRequest: field 1, the name; its length fits in one octet.
  std::string wire;
  if (!name.empty()) {
    wire = std::string("\x0a") + static_cast<char>(name.size()) + name;
  }
  grpc::Slice slice(wire);
  grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer response;
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(5)));
  grpc::GenericStub stub(std::move(channel));
  absl::Notification done;
  grpc::Status status;
  stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", {}, &request,
                 &response, [&](grpc::Status s) {
                   status = std::move(s);
                   done.Notify();
                 });
  done.WaitForNotification();
  if (status.error_code() == grpc::StatusCode::NOT_FOUND) {
    return RawHealth::kUnknownName;
  }
  std::vector<grpc::Slice> slices;
  if (!status.ok() || !response.Dump(&slices).ok()) {
    return RawHealth::kCallFailed;
  }
  std::string bytes;
  for (const grpc::Slice& s : slices) {
    bytes.append(reinterpret_cast<const char*>(s.begin()), s.size());
  }
  // HealthCheckResponse: field 1, an enum; 1 is SERVING, 2 NOT_SERVING.
  if (bytes == std::string("\x08\x01")) return RawHealth::kServing;
  if (bytes == std::string("\x08\x02")) return RawHealth::kNotServing;
  return RawHealth::kCallFailed;
}

}  // namespace sallyport
