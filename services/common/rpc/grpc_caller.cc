#include "services/common/rpc/grpc_caller.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "absl/container/inlined_vector.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "services/common/bytes/string_view.h"
#include "services/common/status/check.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"

namespace sallyport {
namespace {

// The answers are read at once, so no window need hold them back.
constexpr int32_t kWindow = 16 << 20;

nghttp2_nv Header(std::string_view name, std::string_view value) {
  nghttp2_nv out;
  out.name = reinterpret_cast<uint8_t*>(const_cast<char*>(name.data()));
  out.namelen = name.size();
  out.value = reinterpret_cast<uint8_t*>(const_cast<char*>(value.data()));
  out.valuelen = value.size();
  out.flags = NGHTTP2_NV_FLAG_NONE;
  return out;
}

using WireHeaders = absl::InlinedVector<nghttp2_nv, 8>;

// Views of `headers`, which nghttp2 copies.
void AppendTo(WireHeaders& wire, const GrpcCaller::Headers& headers) {
  for (const auto& [name, value] : headers) {
    wire.push_back(Header(name, value));
  }
}

}  // namespace

struct GrpcCaller::Callbacks {
  static GrpcCaller& Of(void* user) { return *static_cast<GrpcCaller*>(user); }

  // The id of the call, or 0.
  static int32_t Submit(GrpcCaller& self, absl::Span<const nghttp2_nv> headers);

  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame,
                      const uint8_t* name, size_t name_size,
                      const uint8_t* value, size_t value_size, uint8_t,
                      void* user) {
    Call* const call = Of(user).Find(frame->hd.stream_id);
    if (call == nullptr) return 0;
    const std::string_view key = AsText({name, name_size});
    const std::string_view text = AsText({value, value_size});
    if (key == ":status") {
      call->http_status = text;
    } else if (key == "grpc-status") {
      call->code = text;
    } else if (key == "grpc-message") {
      call->message = PercentDecode(text);
    } else if (key == "grpc-status-details-bin") {
      call->details = DecodeBinaryHeader(text).value_or("");
    }
    return 0;
  }

  static int OnDataChunk(nghttp2_session*, uint8_t, int32_t id,
                         const uint8_t* data, size_t size, void* user) {
    ByteSpan rest(data, size);
    while (!rest.empty()) {
      Call* const call = Of(user).Find(id);
      if (call == nullptr) return 0;
      auto answer = call->reader.Read(rest);
      if (!answer.ok()) return NGHTTP2_ERR_CALLBACK_FAILURE;
      if (answer->has_value()) {
        Of(user).owner_.OnAnswer(id, **std::move(answer));
      }
    }
    return 0;
  }

  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type == NGHTTP2_GOAWAY) Of(user).told_to_go_ = true;
    if (frame->hd.type == NGHTTP2_PING &&
        (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
      ++Of(user).pings_answered_;
    }
    return 0;
  }

  static int OnStreamClose(nghttp2_session*, int32_t id, uint32_t error,
                           void* user) {
    GrpcCaller& self = Of(user);
    const auto it = self.calls_.find(id);
    if (it == self.calls_.end()) return 0;
    const std::unique_ptr<Call> call = std::move(it->second);
    self.calls_.erase(it);
    self.owner_.OnStatus(id, self.StatusOf(*call, error));
    return 0;
  }

  static ssize_t ReadRequest(nghttp2_session*, int32_t, uint8_t* to,
                             size_t room, uint32_t* flags,
                             nghttp2_data_source* source, void* /*user*/) {
    Call& call = *static_cast<Call*>(source->ptr);
    const size_t size = std::min(room, call.out.size() - call.out_sent);
    std::memcpy(to, call.out.data() + call.out_sent, size);
    call.out_sent += size;
    if (call.out_sent == call.out.size()) {
      call.out.clear();
      call.out_sent = 0;
      if (call.last) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
      } else if (size == 0) {
        call.deferred = true;
        return NGHTTP2_ERR_DEFERRED;
      }
    }
    return static_cast<ssize_t>(size);
  }

  static const nghttp2_session_callbacks* All() {
    static const nghttp2_session_callbacks* const kAll = [] {
      nghttp2_session_callbacks* all = nullptr;
      SP_CHECK(nghttp2_session_callbacks_new(&all) == 0);
      nghttp2_session_callbacks_set_on_header_callback(all, OnHeader);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(all,
                                                                OnDataChunk);
      nghttp2_session_callbacks_set_on_frame_recv_callback(all, OnFrame);
      nghttp2_session_callbacks_set_on_stream_close_callback(all,
                                                             OnStreamClose);
      return all;
    }();
    return kAll;
  }
};

GrpcCaller::GrpcCaller(GrpcCallerOwner& owner) : owner_(owner) {
  SP_CHECK(nghttp2_session_client_new(&session_, Callbacks::All(), this) == 0);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindow}};
  SP_CHECK(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, 2) ==
           0);
  SP_CHECK(nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                                 kWindow) == 0);
}

GrpcCaller::~GrpcCaller() { nghttp2_session_del(session_); }

GrpcCaller::Call* GrpcCaller::Find(int32_t id) {
  const auto it = calls_.find(id);
  return it == calls_.end() ? nullptr : it->second.get();
}

absl::Status GrpcCaller::StatusOf(const Call& call, uint32_t error) const {
  if (error == NGHTTP2_REFUSED_STREAM) {
    return MakeError(absl::StatusCode::kUnavailable, kCallRefused,
                     "the server has not begun the call");
  }
  int code = 0;
  if (!call.http_status.empty() && call.http_status != "200") {
    return MakeError(absl::StatusCode::kUnavailable, "HTTP_STATUS",
                     absl::StrCat("HTTP status ", call.http_status));
  }
  if (!absl::SimpleAtoi(call.code, &code)) {
    return MakeError(absl::StatusCode::kUnavailable, "CALL_RESET",
                     "the call was reset");
  }
  return FromGrpc(grpc::Status(static_cast<grpc::StatusCode>(code),
                               call.message, call.details));
}

int32_t GrpcCaller::Callbacks::Submit(GrpcCaller& self,
                                      absl::Span<const nghttp2_nv> headers) {
  auto call = std::make_unique<Call>();
  nghttp2_data_provider provider;
  provider.source.ptr = call.get();
  provider.read_callback = ReadRequest;
  const int32_t id =
      nghttp2_submit_request(self.session_, nullptr, headers.data(),
                             headers.size(), &provider, nullptr);
  if (id < 0) {
    self.told_to_go_ = true;
    return 0;
  }
  call->id = id;
  self.calls_[id] = std::move(call);
  return id;
}

int32_t GrpcCaller::Start(std::string_view path, const Headers& more) {
  WireHeaders wire = {
      Header(":method", "POST"), Header(":scheme", "https"),
      Header(":path", path),     Header(":authority", "localhost"),
      Header("te", "trailers"),  Header("content-type", "application/grpc")};
  AppendTo(wire, more);
  return Callbacks::Submit(*this, wire);
}

int32_t GrpcCaller::StartWith(const Headers& headers) {
  WireHeaders wire;
  AppendTo(wire, headers);
  return Callbacks::Submit(*this, wire);
}

void GrpcCaller::Send(int32_t call, std::string_view request, bool last) {
  std::string framed;
  AppendGrpcMessage(request, framed);
  SendRaw(call, framed, last);
}

void GrpcCaller::SendRaw(int32_t id, std::string_view octets, bool last) {
  Call* const call = Find(id);
  if (call == nullptr) return;
  call->out.append(octets);
  call->last = last;
  if (std::exchange(call->deferred, false)) {
    (void)nghttp2_session_resume_data(session_, id);
  }
}

void GrpcCaller::Reset(int32_t call) {
  (void)nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, call,
                                  NGHTTP2_CANCEL);
}

void GrpcCaller::Ping() {
  (void)nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
}

absl::Status GrpcCaller::Feed(ByteSpan data) {
  const ssize_t taken =
      nghttp2_session_mem_recv(session_, data.data(), data.size());
  if (taken >= 0) return absl::OkStatus();
  return absl::InvalidArgumentError(nghttp2_strerror(static_cast<int>(taken)));
}

std::string GrpcCaller::TakeOutput() {
  std::string out;
  for (;;) {
    const uint8_t* data = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &data);
    if (size <= 0) return out;
    out.append(AsText({data, static_cast<size_t>(size)}));
  }
}

}  // namespace sallyport
