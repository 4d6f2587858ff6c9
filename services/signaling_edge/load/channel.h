// One way to the server under load: a UDP socket, or a TCP or TLS connection.

#ifndef SALLYPORT_SERVICES_SIGNALING_EDGE_LOAD_CHANNEL_H_
#define SALLYPORT_SERVICES_SIGNALING_EDGE_LOAD_CHANNEL_H_

#include <openssl/ssl.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "services/common/net/socket_address.h"
#include "services/common/net/unique_fd.h"

namespace sallyport::signaling_edge {

// Ends the program with `why`.
[[noreturn]] void Fail(const std::string& why);

// Certificate and key of one side; peers are not judged, as what is measured
// is the other side's work.
bssl::UniquePtr<SSL_CTX> TlsOf(const std::string& certificate_file,
                               const std::string& key_file);

// What is sent waits until Flush(), so that a turn costs few system calls.
// Thread-compatible.
class Channel {
 public:
  using OnMessage = std::function<void(Channel&, std::string_view)>;

  virtual ~Channel() = default;
  virtual void Send(std::string_view message) = 0;
  virtual void Flush() = 0;
  // Reads what is there. False when the connection has ended.
  virtual bool Read(const OnMessage& on_message) = 0;
  // A handshake that has just succeeded, or is not needed.
  virtual bool ready() const { return true; }
  virtual bool wants_write() const { return false; }

  int fd() const { return fd_.get(); }
  uint64_t user = 0;  // the owner's

 protected:
  explicit Channel(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

// `from` with port 0 takes a free one. Only datagrams of `to` arrive.
std::unique_ptr<Channel> OpenUdp(const SocketAddress& from,
                                 const SocketAddress& to);
// Not yet connected when it returns; `tls` null: TCP.
std::unique_ptr<Channel> Dial(const SocketAddress& from,
                              const SocketAddress& to, SSL_CTX* tls);
std::unique_ptr<Channel> Accepted(UniqueFd fd, SSL_CTX* tls);
UniqueFd ListenTcp(const SocketAddress& at);

// Channels and listeners, waited for together. Thread-compatible.
class Poller {
 public:
  explicit Poller(Channel::OnMessage on_message);

  Channel& Add(std::unique_ptr<Channel> channel);
  void Remove(Channel& channel);  // ends it, after the turn
  void Accept(UniqueFd listener, SSL_CTX* tls);
  // Sends what its channels have to send, then waits and reads once.
  void Turn(absl::Duration max_wait);

  // Called when a channel becomes ready, and when it has ended by itself.
  std::function<void(Channel&)> on_ready;
  std::function<void(Channel&)> on_end;

  size_t size() const { return channels_.size(); }

 private:
  struct Watched {
    std::unique_ptr<Channel> channel;
    bool ready = false;
    bool waits_to_write = false;
  };
  void Update(Watched& watched);

  const Channel::OnMessage on_message_;
  UniqueFd epoll_;
  std::vector<std::pair<UniqueFd, SSL_CTX*>> listeners_;
  std::vector<std::unique_ptr<Watched>> channels_;  // by descriptor
  std::vector<int> removed_;
  std::vector<Watched*> touched_;
};

}  // namespace sallyport::signaling_edge

#endif  // SALLYPORT_SERVICES_SIGNALING_EDGE_LOAD_CHANNEL_H_
