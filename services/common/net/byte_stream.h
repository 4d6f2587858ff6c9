// A reliable connection, whatever carries it: TcpStream or TlsStream.

#ifndef SALLYPORT_SERVICES_COMMON_NET_BYTE_STREAM_H_
#define SALLYPORT_SERVICES_COMMON_NET_BYTE_STREAM_H_

#include <cstddef>

#include "absl/status/status.h"
#include "services/common/bytes/byte_span.h"
#include "services/common/net/rank.h"
#include "services/common/net/socket_address.h"

namespace sallyport {

// What a connection tells its owner. Called from the loop only, never from
// within a call that the owner makes, and each may destroy the stream.
class StreamHandler {
 public:
  virtual ~StreamHandler() = default;

  // Connected, and for TLS: handshake complete and peer accepted. Once, before
  // any other call but OnClosed.
  virtual void OnOpen() = 0;
  // Octets of the peer, borrowed until this returns. Never empty.
  virtual void OnData(ByteSpan data) = 0;
  // The peer sends no more; writing still works. At most once.
  virtual void OnEnd() = 0;
  // Everything buffered went out, after a Write that could not go at once.
  virtual void OnDrained() {}
  // The end, once, unless the owner called Close or destroyed the stream: OK
  // when both sides had finished, else why. Nothing follows.
  virtual void OnClosed(absl::Status reason) = 0;
};

// One connection. Destroying it closes it at once and calls nobody. Loop
// thread only.
class ByteStream {
 public:
  virtual ~ByteStream() = default;

  // Sends now or buffers. RESOURCE_EXHAUSTED, and nothing taken, if more than
  // the write buffer's limit would wait; FAILED_PRECONDITION before OnOpen,
  // after Finish and after the end.
  virtual absl::Status Write(ByteSpan data) = 0;
  // Half-close: no more Write, what is buffered still goes out, then the peer
  // sees our end. Reading goes on.
  virtual void Finish() = 0;
  // Gives up at once; what is buffered is lost. OnClosed is not called.
  virtual void Close() = 0;

  // Stops and resumes OnData, so that a slow consumer slows its peer.
  virtual void PauseReading() = 0;
  virtual void ResumeReading() = 0;

  // Its place among the streams of its loop; Rank::kFirst at first.
  virtual void SetRank(Rank rank) = 0;

  // Octets that wait to go out.
  virtual size_t buffered() const = 0;
  virtual const SocketAddress& local_address() const = 0;
  virtual const SocketAddress& peer_address() const = 0;
};

}  // namespace sallyport

#endif  // SALLYPORT_SERVICES_COMMON_NET_BYTE_STREAM_H_
