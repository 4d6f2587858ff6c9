// A gRPC service whose calls find their handler in a table.
//
// The callback service that gRPC generates is a chain of one class template
// for each method: a service of 130 methods takes a minute to compile wherever
// it is derived from. This one has three instantiations, however many methods
// there are, and hands messages on by their base class, or as octets.

#ifndef SALLYPORT_SERVICES_COMMON_RPC_DISPATCH_SERVICE_H_
#define SALLYPORT_SERVICES_COMMON_RPC_DISPATCH_SERVICE_H_

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "grpcpp/impl/rpc_service_method.h"
#include "grpcpp/impl/service_type.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"

namespace sallyport {

// Derive, and name the handlers: all before the server is built, or, if it is
// closed until then, before Open(). Thread-safe from then on, if the handlers
// are.
class DispatchService : public grpc::Service {
 public:
  using Done = std::function<void(const absl::Status&)>;
  // Answers one call: fills in `response`, then calls `done`, once, from any
  // thread, at once or later. Until then all arguments live.
  using UnaryHandler =
      std::function<void(grpc::CallbackServerContext& context,
                         const google::protobuf::Message& request,
                         google::protobuf::Message& response, Done done)>;
  // Open one stream, whose messages are octets.
  using WriteReactor = grpc::ServerWriteReactor<grpc::ByteBuffer>;
  using BidiReactor =
      grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>;
  using StreamHandler = std::function<WriteReactor*(
      grpc::CallbackServerContext*, const grpc::ByteBuffer* request)>;
  using BidiHandler = std::function<BidiReactor*(grpc::CallbackServerContext*)>;

 protected:
  // Before the server is built: all methods answer `status` until Open().
  void CloseWith(const absl::Status& status);
  // Handlers may be named before it, also while the server runs. Thread-safe.
  void Open() { open_ = true; }

  // `service`, of a linked proto, must outlive this object. Methods without a
  // handler answer UNIMPLEMENTED. Streams of requests with one answer are not
  // for this class: the process ends.
  explicit DispatchService(const google::protobuf::ServiceDescriptor& service);

  // Requests that cannot be parsed are answered INVALID_ARGUMENT, reason
  // REQUEST_MALFORMED. The process ends if there is no such unary method.
  void HandleUnary(std::string_view method, UnaryHandler handler);
  // The process ends if there is no such method with that shape.
  void HandleStream(std::string_view method, StreamHandler handler);
  void HandleBidi(std::string_view method, BidiHandler handler);

 private:
  // What to answer instead of asking the handler.
  template <typename Handler>
  grpc::Status StatusOf(const Handler& handler) const;
  // Its index.
  size_t Find(std::string_view method, bool requests_stream,
              bool answers_stream) const;

  const google::protobuf::ServiceDescriptor& service_;
  std::atomic<bool> open_ = true;
  absl::Status closed_;            // what is answered while it is not
  std::deque<std::string> paths_;  // gRPC keeps pointers to them
  // By the method's index; of each, one.
  std::vector<UnaryHandler> handlers_;
  std::vector<StreamHandler> stream_handlers_;
  std::vector<BidiHandler> bidi_handlers_;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_RPC_DISPATCH_SERVICE_H_
