// Whether there is memory for something new. What is there goes on, whatever
// the answer.

#ifndef SALLYPORT_SERVICES_MEDIA_RELAY_CORE_MEMORY_GATE_H_
#define SALLYPORT_SERVICES_MEDIA_RELAY_CORE_MEMORY_GATE_H_

#include <cstddef>
#include <cstdint>

namespace sallyport::media_relay {

enum class MemoryUse : uint8_t {
  kAllocation,
  kPermission,  // or a channel
  kConnection,  // of a client, by TCP, TLS or DTLS
  kPeerConnection,
  kSession,
};

// What one takes at most before it is measured, in octets: buffers, keys, TLS
// and timers included, rounded up.
constexpr size_t RoomFor(MemoryUse use) {
  switch (use) {
    case MemoryUse::kAllocation:
      return 4 << 10;
    case MemoryUse::kPermission:
      return 256;
    case MemoryUse::kConnection:
      return 96 << 10;
    case MemoryUse::kPeerConnection:
      return 160 << 10;
    case MemoryUse::kSession:
      return 32 << 10;
  }
  return 0;
}

// Asked once for each, never for a packet. Thread-compatible; an
// implementation may promise more.
class MemoryGate {
 public:
  virtual ~MemoryGate() = default;

  // False: no room for one more, which is then not made.
  virtual bool Take(MemoryUse use) = 0;
};

// Of tests and of a relay without a bound. Thread-safe.
class NoMemoryGate final : public MemoryGate {
 public:
  bool Take(MemoryUse) override { return true; }
};

}  // namespace sallyport::media_relay

#endif  // SALLYPORT_SERVICES_MEDIA_RELAY_CORE_MEMORY_GATE_H_
