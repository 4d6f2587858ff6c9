#include "services/common/rpc/dispatch_service.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/message.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "grpcpp/impl/codegen/server_callback_handlers.h"
#include "grpcpp/support/byte_buffer.h"
#include "services/common/status/check.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"

namespace sallyport {
namespace {

using google::protobuf::Message;
using google::protobuf::MessageFactory;
using google::protobuf::MethodDescriptor;
using MessageTraits = grpc::SerializationTraits<Message>;

struct Exchange {
  std::unique_ptr<Message> request;
  std::unique_ptr<Message> response;
};

grpc::internal::RpcMethod::RpcType TypeOf(const MethodDescriptor& method) {
  if (method.client_streaming())
    return grpc::internal::RpcMethod::BIDI_STREAMING;
  return method.server_streaming() ? grpc::internal::RpcMethod::SERVER_STREAMING
                                   : grpc::internal::RpcMethod::NORMAL_RPC;
}

std::unique_ptr<Message> NewMessage(const google::protobuf::Descriptor* type) {
  const Message* prototype =
      MessageFactory::generated_factory()->GetPrototype(type);
  SP_CHECK(prototype != nullptr);
  return std::unique_ptr<Message>(prototype->New());
}

grpc::ServerUnaryReactor* Answer(const MethodDescriptor& method,
                                 const DispatchService::UnaryHandler& handler,
                                 grpc::CallbackServerContext* context,
                                 const grpc::ByteBuffer* in,
                                 grpc::ByteBuffer* out) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  auto exchange = std::make_shared<Exchange>();
  exchange->request = NewMessage(method.input_type());
  exchange->response = NewMessage(method.output_type());
  grpc::ByteBuffer bytes = *in;  // shares the octets
  if (!MessageTraits::Deserialize(&bytes, exchange->request.get()).ok()) {
    reactor->Finish(ToGrpc(
        MakeError(absl::StatusCode::kInvalidArgument, "REQUEST_MALFORMED",
                  absl::StrCat("it is no ", method.input_type()->name()))));
    return reactor;
  }
  handler(*context, *exchange->request, *exchange->response,
          [exchange, reactor, out](const absl::Status& status) {
            if (!status.ok()) return reactor->Finish(ToGrpc(status));
            bool own_buffer = false;
            reactor->Finish(MessageTraits::Serialize(*exchange->response, out,
                                                     &own_buffer));
          });
  return reactor;
}

// A stream that ends before it begins.
template <typename Reactor>
class Ended final : public Reactor {
 public:
  explicit Ended(const grpc::Status& status) { Reactor::Finish(status); }
  void OnDone() override { delete this; }
};

// As a generated service says it: the interceptor adds the name.
grpc::Status Unimplemented() {
  return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "");
}

}  // namespace

DispatchService::DispatchService(
    const google::protobuf::ServiceDescriptor& service)
    : service_(service),
      handlers_(static_cast<size_t>(service.method_count())),
      stream_handlers_(handlers_.size()),
      bidi_handlers_(handlers_.size()) {
  using Octets = grpc::ByteBuffer;
  for (int i = 0; i < service.method_count(); ++i) {
    const MethodDescriptor& method = *service.method(i);
    const auto index = static_cast<size_t>(i);
    // Requests alone that stream are not for this class.
    SP_CHECK(!method.client_streaming() || method.server_streaming());
    paths_.push_back(
        absl::StrCat("/", service.full_name(), "/", method.name()));
    AddMethod(new grpc::internal::RpcServiceMethod(paths_.back().c_str(),
                                                   TypeOf(method), nullptr));
    if (method.client_streaming()) {
      MarkMethodRawCallback(
          i, new grpc::internal::CallbackBidiHandler<Octets, Octets>(
                 [this, index](grpc::CallbackServerContext* context) {
                   const grpc::Status status = StatusOf(bidi_handlers_[index]);
                   return status.ok() ? bidi_handlers_[index](context)
                                      : new Ended<BidiReactor>(status);
                 }));
    } else if (method.server_streaming()) {
      MarkMethodRawCallback(
          i, new grpc::internal::CallbackServerStreamingHandler<Octets, Octets>(
                 [this, index](grpc::CallbackServerContext* context,
                               const Octets* in) {
                   const grpc::Status status =
                       StatusOf(stream_handlers_[index]);
                   return status.ok() ? stream_handlers_[index](context, in)
                                      : new Ended<WriteReactor>(status);
                 }));
    } else {
      MarkMethodRawCallback(
          i, new grpc::internal::CallbackUnaryHandler<Octets, Octets>(
                 [this, &method, index](grpc::CallbackServerContext* context,
                                        const Octets* in, Octets* out) {
                   const grpc::Status status = StatusOf(handlers_[index]);
                   if (status.ok()) {
                     return Answer(method, handlers_[index], context, in, out);
                   }
                   grpc::ServerUnaryReactor* reactor =
                       context->DefaultReactor();
                   reactor->Finish(status);
                   return reactor;
                 }));
    }
  }
}

template <typename Handler>
grpc::Status DispatchService::StatusOf(const Handler& handler) const {
  if (!open_) return ToGrpc(closed_);
  return handler == nullptr ? Unimplemented() : grpc::Status::OK;
}

void DispatchService::CloseWith(const absl::Status& status) {
  closed_ = status;
  open_ = false;
}

size_t DispatchService::Find(std::string_view method, bool requests_stream,
                             bool answers_stream) const {
  const MethodDescriptor* found =
      service_.FindMethodByName(std::string(method));
  SP_CHECK(found != nullptr && found->client_streaming() == requests_stream &&
           found->server_streaming() == answers_stream);
  return static_cast<size_t>(found->index());
}

void DispatchService::HandleUnary(std::string_view method,
                                  UnaryHandler handler) {
  handlers_[Find(method, false, false)] = std::move(handler);
}

void DispatchService::HandleStream(std::string_view method,
                                   StreamHandler handler) {
  stream_handlers_[Find(method, false, true)] = std::move(handler);
}

void DispatchService::HandleBidi(std::string_view method, BidiHandler handler) {
  bidi_handlers_[Find(method, true, true)] = std::move(handler);
}

}  // namespace sallyport
