#include "services/common/rpc/grpc_connection.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/common/bytes/string_view.h"
#include "services/common/status/check.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_grpc.h"

namespace sallyport {
namespace {

// All calls together; a call has the 65 535 octets of RFC 9113.
constexpr int32_t kConnectionWindow = 1 << 20;
// Of a message in HTTP/2, and of its place in memory.
constexpr size_t kPrefix = 5;
constexpr size_t kKeeping = 64;
// Longer ones stay here: callers refuse more than 8 KiB of trailers.
constexpr size_t kMaxStatusMessage = 2 << 10;
constexpr size_t kMaxStatusDetails = 3 << 10;
// A call whose end cannot be told to its caller is reset after that.
constexpr absl::Duration kLastWord = absl::Seconds(5);
constexpr uint8_t kDrainPing[8] = {'d', 'r', 'a', 'i', 'n', 'i', 'n', 'g'};

nghttp2_nv Header(std::string_view name, std::string_view value,
                  bool value_stays) {
  nghttp2_nv out;
  out.name = reinterpret_cast<uint8_t*>(const_cast<char*>(name.data()));
  out.namelen = name.size();
  out.value = reinterpret_cast<uint8_t*>(const_cast<char*>(value.data()));
  out.valuelen = value.size();
  // Names are literals.
  out.flags = NGHTTP2_NV_FLAG_NO_COPY_NAME |
              (value_stays ? NGHTTP2_NV_FLAG_NO_COPY_VALUE : 0);
  return out;
}

constexpr std::string_view kContentType = "content-type";
constexpr std::string_view kGrpc = "application/grpc";

absl::Status Draining() {
  return MakeError(absl::StatusCode::kUnavailable, "DRAINING",
                   "this instance is about to end: connect to another");
}

absl::Status Malformed(std::string_view reason, std::string_view what) {
  return MakeError(absl::StatusCode::kInvalidArgument, reason, what);
}

absl::Status OneRequest() {
  // What grpc/doc/statuscodes.md has a server say.
  return MakeError(absl::StatusCode::kUnimplemented, "REQUESTS_NOT_ONE",
                   "this method takes exactly one request");
}

// grpc-status, grpc-message and grpc-status-details-bin.
struct Trailers {
  std::string code;
  std::string message;
  std::string details;

  explicit Trailers(const absl::Status& status) {
    if (status.ok()) {
      code = "0";
      return;
    }
    const grpc::Status told = ToGrpc(status);
    code = absl::StrCat(static_cast<int>(told.error_code()));
    message = PercentEncode(
        std::string_view(told.error_message()).substr(0, kMaxStatusMessage));
    if (told.error_details().size() <= kMaxStatusDetails) {
      details = EncodeBinaryHeader(told.error_details());
    }
  }

  void AddTo(std::vector<nghttp2_nv>& headers) const {
    headers.push_back(Header("grpc-status", code, false));
    if (!message.empty()) {
      headers.push_back(Header("grpc-message", message, false));
    }
    if (!details.empty()) {
      headers.push_back(Header("grpc-status-details-bin", details, false));
    }
  }
};

}  // namespace

struct GrpcConnection::Callbacks {
  static GrpcConnection& Of(void* user) {
    return *static_cast<GrpcConnection*>(user);
  }

  static int OnBeginHeaders(nghttp2_session*, const nghttp2_frame* frame,
                            void* user) {
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      Of(user).OnBegin(frame->hd.stream_id);
    }
    return 0;
  }

  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame,
                      const uint8_t* name, size_t name_size,
                      const uint8_t* value, size_t value_size, uint8_t,
                      void* user) {
    Call* const call = Of(user).Find(frame->hd.stream_id);
    if (call != nullptr) {
      Of(user).OnHeader(*call, AsText({name, name_size}),
                        AsText({value, value_size}));
    }
    return 0;
  }

  static int OnDataChunk(nghttp2_session*, uint8_t, int32_t id,
                         const uint8_t* data, size_t size, void* user) {
    Of(user).OnData(id, {data, size});
    return 0;
  }

  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    GrpcConnection& self = Of(user);
    const bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
      case NGHTTP2_DATA:
        if (frame->hd.type == NGHTTP2_DATA && frame->hd.length == 0 && !end) {
          self.OnIdleFrame();
        }
        if (Call* const call = self.Find(frame->hd.stream_id)) {
          if (frame->hd.type == NGHTTP2_HEADERS &&
              frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
            self.OnHeaders(*call);
          }
          if (end) self.OnHalfClosed(*call);
        }
        break;
      case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
          self.OnIdleFrame();
        } else {
          self.OnPingAnswered(ByteSpan(frame->ping.opaque_data));
        }
        break;
      case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) self.OnIdleFrame();
        break;
      case NGHTTP2_PRIORITY:
        self.OnIdleFrame();
        break;
      default:
        break;
    }
    return 0;
  }

  static int OnFrameSent(nghttp2_session*, const nghttp2_frame* frame,
                         void* user) {
    if (frame->hd.type == NGHTTP2_HEADERS &&
        (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
      if (Call* const call = Of(user).Find(frame->hd.stream_id)) {
        Of(user).OnSentEnd(*call);
      }
    }
    return 0;
  }

  static int OnStreamClose(nghttp2_session*, int32_t id, uint32_t error,
                           void* user) {
    Of(user).OnClosed(id, error);
    return 0;
  }

  static ssize_t ReadAnswer(nghttp2_session*, int32_t, uint8_t* to, size_t room,
                            uint32_t* flags, nghttp2_data_source* source,
                            void* user) {
    return Of(user).ReadAnswer(*static_cast<Call*>(source->ptr), to, room,
                               flags);
  }

  // The same for all connections.
  static const nghttp2_session_callbacks* All() {
    static const nghttp2_session_callbacks* const kAll = [] {
      nghttp2_session_callbacks* all = nullptr;
      SP_CHECK(nghttp2_session_callbacks_new(&all) == 0);
      nghttp2_session_callbacks_set_on_begin_headers_callback(all,
                                                              OnBeginHeaders);
      nghttp2_session_callbacks_set_on_header_callback(all, OnHeader);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(all,
                                                                OnDataChunk);
      nghttp2_session_callbacks_set_on_frame_recv_callback(all, OnFrame);
      nghttp2_session_callbacks_set_on_frame_send_callback(all, OnFrameSent);
      nghttp2_session_callbacks_set_on_stream_close_callback(all,
                                                             OnStreamClose);
      return all;
    }();
    return kAll;
  }

  static const nghttp2_option* Settings() {
    static const nghttp2_option* const kSettings = [] {
      nghttp2_option* option = nullptr;
      SP_CHECK(nghttp2_option_new(&option) == 0);
      // A caller whose requests wait may send no more.
      nghttp2_option_set_no_auto_window_update(option, 1);
      nghttp2_option_set_no_closed_streams(option, 1);
      nghttp2_option_set_max_settings(option, 32);
      nghttp2_option_set_max_outbound_ack(option, 1000);
      nghttp2_option_set_max_continuations(option, 8);
      // Ours is narrower, and goes by the owner's time.
      nghttp2_option_set_stream_reset_rate_limit(option, 4000, 400);
      return option;
    }();
    return kSettings;
  }
};

GrpcConnection::GrpcConnection(GrpcCallOwner& owner, const Options& options,
                               MonoTime now)
    : owner_(owner), options_(options), now_(now), last_heard_(now) {
  SP_CHECK(nghttp2_session_server_new2(&session_, Callbacks::All(), this,
                                       Callbacks::Settings()) == 0);
  const std::array<nghttp2_settings_entry, 2> settings = {
      {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options.max_streams},
       {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
        static_cast<uint32_t>(options.max_header_list)}}};
  SP_CHECK(nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(),
                                   settings.size()) == 0);
  SP_CHECK(nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0,
                                                 kConnectionWindow) == 0);
}

GrpcConnection::~GrpcConnection() {
  nghttp2_session_del(session_);  // calls nobody
  for (const auto& [id, call] : calls_) {
    if (!call->taken) continue;
    owner_.OnEnded(call->index, call->start,
                   call->trailers_sent ? call->status.code()
                                       : absl::StatusCode::kCancelled);
  }
}

GrpcConnection::Call* GrpcConnection::Find(int32_t id) {
  const auto it = calls_.find(id);
  return it == calls_.end() ? nullptr : it->second.get();
}

absl::Status GrpcConnection::Feed(ByteSpan data, MonoTime now) {
  now_ = now;
  last_heard_ = now;
  ping_deadline_ = MonoTime::InfiniteFuture();
  const ssize_t taken =
      nghttp2_session_mem_recv(session_, data.data(), data.size());
  if (flooded_ || taken == NGHTTP2_ERR_FLOODED) {
    return MakeError(absl::StatusCode::kResourceExhausted, "HTTP2_FLOOD",
                     "the peer makes work and says nothing");
  }
  if (taken < 0) {
    return Malformed("HTTP2_MALFORMED",
                     nghttp2_strerror(static_cast<int>(taken)));
  }
  return absl::OkStatus();
}

void GrpcConnection::OnBegin(int32_t id) {
  auto call = std::make_unique<Call>(options_.max_request);
  call->id = id;
  call->start = now_;
  calls_[id] = std::move(call);
}

void GrpcConnection::OnHeader(Call& call, std::string_view name,
                              std::string_view value) {
  // As RFC 9113 section 6.5.2 counts.
  call.header_list += name.size() + value.size() + 32;
  if (call.header_list > options_.max_header_list) return;
  if (name == ":path") {
    call.path = value;
  } else if (name == ":method") {
    call.method = value;
  } else if (name == kContentType) {
    call.content_type = value;
  } else if (name == "grpc-timeout") {
    call.timeout = value;
  } else if (name == "grpc-encoding") {
    call.encoding = value;
  }
}

absl::Status GrpcConnection::Accept(Call& call) {
  if (call.header_list > options_.max_header_list) {
    return MakeError(
        absl::StatusCode::kResourceExhausted, "HEADERS_TOO_LONG",
        absl::StrCat("headers have ", call.header_list, " octets, and at most ",
                     options_.max_header_list, " are taken"));
  }
  if (!call.encoding.empty() && call.encoding != "identity") {
    return MakeError(absl::StatusCode::kUnimplemented,
                     "COMPRESSION_NOT_SUPPORTED",
                     "messages must not be compressed");
  }
  absl::Duration timeout = absl::InfiniteDuration();
  if (!call.timeout.empty()) {
    const std::optional<absl::Duration> asked = ParseGrpcTimeout(call.timeout);
    if (!asked.has_value()) {
      return Malformed("TIMEOUT_MALFORMED", "grpc-timeout is none");
    }
    timeout = *asked;
  }
  const absl::StatusOr<GrpcCallOwner::Method> method = owner_.OnCall(call.path);
  if (!method.ok()) return method.status();
  call.taken = true;
  call.index = method->index;
  call.streams = method->streams;
  if (call.streams && draining_) return Draining();
  if (!call.streams) timeout = std::min(timeout, options_.longest_call);
  deadlines_.Set(call.id, now_ + timeout);
  return absl::OkStatus();
}

void GrpcConnection::OnHeaders(Call& call) {
  if (call.header_list <= options_.max_header_list) {
    if (call.method != "POST") return RefuseHttp(call, "405");
    if (!IsGrpcContentType(call.content_type)) return RefuseHttp(call, "415");
  }
  if (const absl::Status status = Accept(call); !status.ok()) {
    Finish(call, status);
  }
}

void GrpcConnection::RefuseHttp(Call& call, std::string_view status) {
  call.finishing = true;
  const nghttp2_nv header = Header(":status", status, false);
  SP_CHECK(nghttp2_submit_response(session_, call.id, &header, 1, nullptr) ==
           0);
}

void GrpcConnection::Consume(Call& call, size_t octets) {
  if (octets == 0) return;
  // Fails only where the connection has ended.
  (void)nghttp2_session_consume(session_, call.id, octets);
}

void GrpcConnection::SetHeld(Call& call) {
  const size_t held = call.reader.partial() + call.inbox_octets;
  held_ += held;
  held_ -= call.held;
  call.held = held;
}

void GrpcConnection::OnData(int32_t id, ByteSpan data) {
  Call* const call = Find(id);
  if (call == nullptr || call->finishing) {
    (void)nghttp2_session_consume(session_, id, data.size());
    return;
  }
  const size_t size = data.size();
  size_t whole = 0;  // octets that whole requests take, to be consumed later
  absl::Status status;
  while (!data.empty() && status.ok()) {
    auto request = call->reader.Read(data);
    if (!request.ok()) {
      status = request.status();
    } else if (request->has_value()) {
      if (!call->streams && !call->inbox.empty()) status = OneRequest();
      whole += kPrefix + (*request)->size();
      call->inbox_octets += kKeeping + (*request)->size();
      call->inbox.push_back(**std::move(request));
    }
  }
  // A whole request may have begun in an earlier frame, whose octets are
  // consumed.
  whole = std::min(whole, size);
  call->unconsumed += whole;
  Consume(*call, size - whole);
  SetHeld(*call);
  if (status.ok() && held_ > options_.max_held) {
    status = MakeError(absl::StatusCode::kResourceExhausted, "TOO_MUCH_AT_ONCE",
                       "this connection has too many octets of requests open");
  }
  if (!status.ok()) return Finish(*call, status);
  if (!call->busy) Proceed(*call);
}

void GrpcConnection::OnHalfClosed(Call& call) {
  call.half_closed = true;
  if (call.finishing) return;
  if (call.reader.partial() > 0) {
    return Finish(
        call, Malformed("MESSAGE_TRUNCATED", "the call ends within a message"));
  }
  if (!call.busy) Proceed(call);
}

void GrpcConnection::Proceed(Call& call) {
  if (call.finishing || call.queued) return;
  if (!call.streams && !call.half_closed) return;
  if (!call.inbox.empty()) {
    call.queued = true;
    ready_.push_back(call.id);
    return;
  }
  if (!call.streams) return Finish(call, OneRequest());
  if (call.half_closed) return Finish(call, absl::OkStatus());
  if (draining_) return Finish(call, Draining());
}

bool GrpcConnection::RunOne(MonoTime now) {
  now_ = now;
  while (!flooded_ && !ready_.empty() && unsent_ <= options_.max_unsent) {
    Call* const call = Find(ready_.front());
    ready_.pop_front();
    if (call == nullptr || call->finishing) continue;
    call->queued = false;
    call->busy = true;
    std::string request = std::move(call->inbox.front());
    call->inbox.pop_front();
    call->inbox_octets -= kKeeping + request.size();
    const size_t octets = std::min(call->unconsumed, kPrefix + request.size());
    call->unconsumed -= octets;
    Consume(*call, octets);
    SetHeld(*call);
    owner_.OnRequest(call->id, call->index, std::move(request));
    return true;
  }
  return false;
}

void GrpcConnection::Answer(int32_t id, absl::StatusOr<std::string> answer) {
  Call* const call = Find(id);
  if (call == nullptr || !call->busy || call->finishing) return;
  call->busy = false;
  if (!answer.ok()) return Finish(*call, answer.status());
  if (answer->size() > options_.max_answer) {
    return Finish(
        *call,
        MakeError(absl::StatusCode::kResourceExhausted, "ANSWER_TOO_LONG",
                  absl::StrCat("the answer has ", answer->size(), " octets")));
  }
  const size_t before = call->out.size();
  AppendGrpcMessage(*answer, call->out);
  unsent_ += call->out.size() - before;
  if (!call->streams) return Finish(*call, absl::OkStatus());
  SubmitAnswer(*call);
  Proceed(*call);
}

void GrpcConnection::Finish(Call& call, const absl::Status& status) {
  if (call.finishing) return;
  call.finishing = true;
  call.busy = false;
  call.status = status;
  call.inbox.clear();
  call.inbox_octets = 0;
  Consume(call, std::exchange(call.unconsumed, 0));
  held_ -= std::exchange(call.held, 0);
  if (!call.answering && call.out.empty()) {
    SubmitTrailersOnly(call);
  } else {
    SubmitAnswer(call);
  }
}

void GrpcConnection::SubmitTrailersOnly(Call& call) {
  const Trailers trailers(call.status);
  std::vector<nghttp2_nv> headers = {Header(":status", "200", true),
                                     Header(kContentType, kGrpc, true)};
  trailers.AddTo(headers);
  // Fails where the call or the connection has ended, which is told apart.
  (void)nghttp2_submit_response(session_, call.id, headers.data(),
                                headers.size(), nullptr);
}

void GrpcConnection::SubmitAnswer(Call& call) {
  if (call.answering) {
    if (std::exchange(call.deferred, false)) {
      (void)nghttp2_session_resume_data(session_, call.id);
    }
    return;
  }
  call.answering = true;
  const std::array<nghttp2_nv, 2> headers = {Header(":status", "200", true),
                                             Header(kContentType, kGrpc, true)};
  nghttp2_data_provider provider;
  provider.source.ptr = &call;
  provider.read_callback = Callbacks::ReadAnswer;
  (void)nghttp2_submit_response(session_, call.id, headers.data(),
                                headers.size(), &provider);
}

ptrdiff_t GrpcConnection::ReadAnswer(Call& call, uint8_t* to, size_t room,
                                     uint32_t* flags) {
  const size_t size = std::min(room, call.out.size() - call.out_sent);
  std::memcpy(to, call.out.data() + call.out_sent, size);
  call.out_sent += size;
  unsent_ -= size;
  if (call.out_sent == call.out.size()) {
    call.out.clear();
    call.out_sent = 0;
    if (call.finishing) {
      *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
      SubmitTrailers(call);
    } else if (size == 0) {
      call.deferred = true;
      return NGHTTP2_ERR_DEFERRED;
    }
  }
  return static_cast<ptrdiff_t>(size);
}

void GrpcConnection::SubmitTrailers(Call& call) {
  const Trailers trailers(call.status);
  std::vector<nghttp2_nv> headers;
  trailers.AddTo(headers);
  (void)nghttp2_submit_trailer(session_, call.id, headers.data(),
                               headers.size());
}

void GrpcConnection::OnSentEnd(Call& call) {
  call.trailers_sent = true;
  // The caller need not say more (RFC 9113 section 8.1).
  if (!call.half_closed) {
    (void)nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, call.id,
                                    NGHTTP2_NO_ERROR);
  }
}

void GrpcConnection::OnClosed(int32_t id, uint32_t error) {
  if (error != NGHTTP2_NO_ERROR && !TakeGcra(options_.resets, resets_, now_)) {
    Flooded();
  }
  const auto it = calls_.find(id);
  if (it == calls_.end()) return;
  const Call& call = *it->second;
  deadlines_.Erase(id);
  held_ -= call.held;
  unsent_ -= call.out.size() - call.out_sent;
  if (call.unconsumed > 0) {
    (void)nghttp2_session_consume_connection(session_, call.unconsumed);
  }
  if (call.taken) {
    owner_.OnEnded(
        call.index, call.start,
        call.trailers_sent ? call.status.code() : absl::StatusCode::kCancelled);
  }
  calls_.erase(it);
}

void GrpcConnection::OnIdleFrame() {
  if (!TakeGcra(options_.idle_frames, idle_frames_, now_)) Flooded();
}

void GrpcConnection::Flooded() {
  if (std::exchange(flooded_, true)) return;
  (void)nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
}

std::string GrpcConnection::TakeOutput(size_t room) {
  std::string out;
  while (out.size() < room) {
    const uint8_t* data = nullptr;
    const ssize_t size = nghttp2_session_mem_send(session_, &data);
    if (size <= 0) break;  // less than 0: want of memory; finished() tells
    out.append(AsText({data, static_cast<size_t>(size)}));
  }
  return out;
}

void GrpcConnection::Drain() {
  if (std::exchange(draining_, true)) return;
  // Calls that are on their way are still taken: the second GOAWAY, with the
  // last of them, follows when the peer has answered (RFC 9113 section 6.8).
  (void)nghttp2_submit_shutdown_notice(session_);
  (void)nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, kDrainPing);
  for (const auto& [id, call] : calls_) {
    if (call->streams && !call->busy) Proceed(*call);
  }
}

void GrpcConnection::OnPingAnswered(ByteSpan opaque) {
  if (!draining_ || opaque != ByteSpan(kDrainPing)) return;
  last_goaway_ = true;
  (void)nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE,
                              nghttp2_session_get_last_proc_stream_id(session_),
                              NGHTTP2_NO_ERROR, nullptr, 0);
}

MonoTime GrpcConnection::deadline() const {
  const MonoTime alive = ping_deadline_ == MonoTime::InfiniteFuture()
                             ? last_heard_ + options_.keepalive
                             : ping_deadline_;
  return std::min(alive, deadlines_.next());
}

absl::Status GrpcConnection::OnDeadline(MonoTime now) {
  now_ = now;
  while (const std::optional<int32_t> id = deadlines_.PopExpired(now)) {
    Call* const call = Find(*id);
    if (call == nullptr) continue;
    if (call->finishing) {
      (void)nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, *id,
                                      NGHTTP2_CANCEL);
      continue;
    }
    Finish(*call, MakeError(absl::StatusCode::kDeadlineExceeded,
                            "DEADLINE_EXCEEDED", "the call took too long"));
    deadlines_.Set(*id, now + kLastWord);
  }
  if (now >= ping_deadline_) {
    return MakeError(absl::StatusCode::kDeadlineExceeded, "KEEPALIVE_TIMEOUT",
                     "the peer has not answered a PING");
  }
  if (ping_deadline_ == MonoTime::InfiniteFuture() &&
      now >= last_heard_ + options_.keepalive) {
    ping_deadline_ = now + options_.keepalive_timeout;
    (void)nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
  }
  return absl::OkStatus();
}

bool GrpcConnection::finished() const {
  // To libnghttp2 the first GOAWAY of an idle connection is the end.
  if (draining_ && !last_goaway_ && !flooded_) return false;
  return nghttp2_session_want_read(session_) == 0 &&
         nghttp2_session_want_write(session_) == 0;
}

}  // namespace sallyport
