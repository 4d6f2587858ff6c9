// What TLS does, step by step, for whoever looks for a fault (CCE-68).

#ifndef SALLYPORT_SERVICES_COMMON_TLS_TLS_TRACE_H_
#define SALLYPORT_SERVICES_COMMON_TLS_TLS_TRACE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "services/common/bytes/byte_span.h"

namespace sallyport {

enum class TlsTraceKind : uint8_t { kError = 1, kMessage = 2, kState = 4 };

// "error", "message", "state".
const char* TlsTraceKindName(TlsTraceKind kind);

// One step. Its text has names, kinds and lengths: never a key, nor an octet of
// a message (CCE-69).
struct TlsTraceLine {
  TlsTraceKind kind = TlsTraceKind::kState;
  uint64_t session = 0;  // the same in all lines of one session
  bool server = false;   // our role
  std::string text;      // "received Certificate, 512 octets"
};

// Three independent switches, and where lines go. Thread-safe.
class TlsTrace {
 public:
  struct Switches {
    bool errors = false;
    bool messages = false;
    bool states = false;

    friend bool operator==(const Switches&, const Switches&) = default;
  };
  // Called on the sessions' threads.
  using Sink = std::function<void(const TlsTraceLine&)>;

  explicit TlsTrace(Sink sink) : sink_(std::move(sink)) {}

  // In force with the next step of each session.
  void Set(const Switches& switches);
  Switches switches() const;
  bool IsOn(TlsTraceKind kind) const {
    return (bits_.load(std::memory_order_relaxed) &
            static_cast<uint8_t>(kind)) != 0;
  }

  uint64_t NextSession() { return ++sessions_; }
  void Tell(const TlsTraceLine& line) const { sink_(line); }

 private:
  const Sink sink_;
  std::atomic<uint8_t> bits_ = 0;
  std::atomic<uint64_t> sessions_ = 0;
};

// A message as BoringSSL's callback has it: "sent ClientHello, 512 octets".
// Empty for what is no message of a handshake, no alert and no change of
// ciphers.
std::string TlsMessageText(bool sent, int content_type, ByteSpan message);

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_TLS_TLS_TRACE_H_
