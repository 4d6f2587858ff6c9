#include "services/signaling_edge/load/channel.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

#include "services/signaling_edge/load/message.h"

namespace sallyport::signaling_edge {
namespace {

constexpr size_t kBatch = 32;
constexpr size_t kMaxDatagram = 4096;

UniqueFd Socket(int type) {
  UniqueFd fd(socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) Fail(std::string("socket: ") + std::strerror(errno));
  return fd;
}

void Bind(int fd, const SocketAddress& at) {
  sockaddr_storage name;
  const socklen_t size = at.ToSockaddr(name);
  if (bind(fd, reinterpret_cast<sockaddr*>(&name), size) != 0) {
    Fail("bind " + at.ToString() + ": " + std::strerror(errno));
  }
}

bool Connect(int fd, const SocketAddress& to) {
  sockaddr_storage name;
  const socklen_t size = to.ToSockaddr(name);
  return connect(fd, reinterpret_cast<sockaddr*>(&name), size) == 0 ||
         errno == EINPROGRESS;
}

void SetInt(int fd, int level, int name, int value) {
  setsockopt(fd, level, name, &value, sizeof(value));
}

class UdpChannel final : public Channel {
 public:
  explicit UdpChannel(UniqueFd fd)
      : Channel(std::move(fd)), memory_(kBatch * kMaxDatagram) {
    for (size_t i = 0; i < kBatch; ++i) {
      vectors_[i] = {memory_.data() + i * kMaxDatagram, kMaxDatagram};
    }
  }

  void Send(std::string_view message) override {
    out_.emplace_back(message);
    if (out_.size() >= kBatch) Flush();
  }

  void Flush() override {
    size_t done = 0;
    while (done < out_.size()) {
      std::array<mmsghdr, kBatch> headers = {};
      std::array<iovec, kBatch> vectors;
      const size_t count = std::min(kBatch, out_.size() - done);
      for (size_t i = 0; i < count; ++i) {
        vectors[i] = {out_[done + i].data(), out_[done + i].size()};
        headers[i].msg_hdr.msg_iov = &vectors[i];
        headers[i].msg_hdr.msg_iovlen = 1;
      }
      const int sent =
          sendmmsg(fd(), headers.data(), static_cast<unsigned>(count), 0);
      if (sent < 0) break;  // lost, as the net would
      done += static_cast<size_t>(sent);
    }
    out_.clear();
  }

  bool Read(const OnMessage& on_message) override {
    for (int turn = 0; turn < 8; ++turn) {
      std::array<mmsghdr, kBatch> headers = {};
      for (size_t i = 0; i < kBatch; ++i) {
        headers[i].msg_hdr.msg_iov = &vectors_[i];
        headers[i].msg_hdr.msg_iovlen = 1;
      }
      const int count = recvmmsg(fd(), headers.data(), kBatch, 0, nullptr);
      if (count <= 0) return true;
      for (int i = 0; i < count; ++i) {
        on_message(*this, {memory_.data() + i * kMaxDatagram,
                           std::min<size_t>(headers[i].msg_len, kMaxDatagram)});
      }
      if (static_cast<size_t>(count) < kBatch) return true;
    }
    return true;
  }

 private:
  std::vector<char> memory_;
  std::array<iovec, kBatch> vectors_;
  std::vector<std::string> out_;
};

class StreamChannel final : public Channel {
 public:
  StreamChannel(UniqueFd fd, SSL_CTX* tls, bool client)
      : Channel(std::move(fd)), connected_(!client) {
    if (tls == nullptr) return;
    ssl_.reset(SSL_new(tls));
    SSL_set_fd(ssl_.get(), this->fd());
    client ? SSL_set_connect_state(ssl_.get())
           : SSL_set_accept_state(ssl_.get());
  }
  ~StreamChannel() override {
    if (ssl_ != nullptr && ready_) SSL_shutdown(ssl_.get());
  }

  void Send(std::string_view message) override { out_.append(message); }

  void Flush() override {
    if (!connected_ || !ready_) return;
    while (!out_.empty()) {
      const ssize_t sent =
          ssl_ == nullptr
              ? send(fd(), out_.data(), out_.size(), MSG_NOSIGNAL)
              : SSL_write(
                    ssl_.get(), out_.data(),
                    static_cast<int>(std::min<size_t>(out_.size(), 16'000)));
      if (sent <= 0) return;
      out_.erase(0, static_cast<size_t>(sent));
    }
  }

  bool Read(const OnMessage& on_message) override {
    connected_ = true;
    if (!ready_ && !Handshake()) return false;
    if (!ready_) return true;
    for (;;) {
      std::array<char, 16'384> buffer;
      const ssize_t size =
          ssl_ == nullptr ? recv(fd(), buffer.data(), buffer.size(), 0)
                          : SSL_read(ssl_.get(), buffer.data(), buffer.size());
      if (size <= 0) {
        const bool again =
            ssl_ == nullptr
                ? size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)
                : SSL_get_error(ssl_.get(), static_cast<int>(size)) ==
                      SSL_ERROR_WANT_READ;
        if (!again) return false;
        break;
      }
      in_.append(buffer.data(), static_cast<size_t>(size));
      if (static_cast<size_t>(size) < buffer.size() && ssl_ == nullptr) break;
    }
    size_t done = 0;
    for (;;) {
      const std::string_view rest = std::string_view(in_).substr(done);
      const size_t size = WholeMessage(rest);
      if (size == 0) break;
      on_message(*this, rest.substr(0, size));
      done += size;
    }
    in_.erase(0, done);
    return true;
  }

  bool ready() const override { return ready_; }
  bool wants_write() const override { return !connected_ || !out_.empty(); }

 private:
  bool Handshake() {
    if (ssl_ == nullptr) return ready_ = true;
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    if (result == 1) return ready_ = true;
    return SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ;
  }

  bssl::UniquePtr<SSL> ssl_;
  std::string out_;
  std::string in_;
  bool connected_;
  bool ready_ = false;
};

}  // namespace

void Fail(const std::string& why) {
  std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, why.c_str());
  std::exit(1);
}

bssl::UniquePtr<SSL_CTX> TlsOf(const std::string& certificate_file,
                               const std::string& key_file) {
  bssl::UniquePtr<SSL_CTX> context(SSL_CTX_new(TLS_method()));
  if (!SSL_CTX_use_certificate_chain_file(context.get(),
                                          certificate_file.c_str()) ||
      !SSL_CTX_use_PrivateKey_file(context.get(), key_file.c_str(),
                                   SSL_FILETYPE_PEM)) {
    Fail("cannot read " + certificate_file + " and " + key_file);
  }
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET);
  SSL_CTX_set_custom_verify(context.get(), SSL_VERIFY_PEER,
                            [](SSL*, uint8_t*) { return ssl_verify_ok; });
  return context;
}

std::unique_ptr<Channel> OpenUdp(const SocketAddress& from,
                                 const SocketAddress& to) {
  UniqueFd fd = Socket(SOCK_DGRAM);
  SetInt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20);
  SetInt(fd.get(), SOL_SOCKET, SO_SNDBUFFORCE, 16 << 20);
  Bind(fd.get(), from);
  if (!Connect(fd.get(), to)) Fail("connect: " + to.ToString());
  return std::make_unique<UdpChannel>(std::move(fd));
}

std::unique_ptr<Channel> Dial(const SocketAddress& from,
                              const SocketAddress& to, SSL_CTX* tls) {
  UniqueFd fd = Socket(SOCK_STREAM);
  SetInt(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  SetInt(fd.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  if (!from.is_unspecified()) Bind(fd.get(), from);
  if (!Connect(fd.get(), to)) return nullptr;
  return std::make_unique<StreamChannel>(std::move(fd), tls, true);
}

std::unique_ptr<Channel> Accepted(UniqueFd fd, SSL_CTX* tls) {
  SetInt(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  return std::make_unique<StreamChannel>(std::move(fd), tls, false);
}

UniqueFd ListenTcp(const SocketAddress& at) {
  UniqueFd fd = Socket(SOCK_STREAM);
  SetInt(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  Bind(fd.get(), at);
  if (listen(fd.get(), 1024) != 0) Fail("listen");
  return fd;
}

// ------------------------------------------------------------------- poller

Poller::Poller(Channel::OnMessage on_message)
    : on_message_(std::move(on_message)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)) {}

Channel& Poller::Add(std::unique_ptr<Channel> channel) {
  const auto fd = static_cast<size_t>(channel->fd());
  if (channels_.size() <= fd) channels_.resize(fd + 1);
  auto watched = std::make_unique<Watched>();
  watched->channel = std::move(channel);
  watched->waits_to_write = watched->channel->wants_write();
  epoll_event event = {};
  event.events = EPOLLIN | (watched->waits_to_write ? EPOLLOUT : 0u);
  event.data.fd = static_cast<int>(fd);
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, static_cast<int>(fd), &event);
  channels_[fd] = std::move(watched);
  return *channels_[fd]->channel;
}

void Poller::Remove(Channel& channel) { removed_.push_back(channel.fd()); }

void Poller::Accept(UniqueFd listener, SSL_CTX* tls) {
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.fd = listener.get();
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, listener.get(), &event);
  listeners_.emplace_back(std::move(listener), tls);
}

void Poller::Update(Watched& watched) {
  Channel& channel = *watched.channel;
  channel.Flush();
  if (channel.wants_write() == watched.waits_to_write) return;
  watched.waits_to_write = !watched.waits_to_write;
  epoll_event event = {};
  event.events = EPOLLIN | (watched.waits_to_write ? EPOLLOUT : 0u);
  event.data.fd = channel.fd();
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, channel.fd(), &event);
}

void Poller::Turn(absl::Duration max_wait) {
  // Whatever was read may have made any channel speak; those that were not
  // touched have nothing to send but what their owners gave them since.
  for (const auto& watched : channels_) {
    if (watched != nullptr && channels_.size() < 64) Update(*watched);
  }
  for (Watched* watched : touched_) Update(*watched);
  touched_.clear();
  for (const int fd : removed_) channels_[static_cast<size_t>(fd)].reset();
  removed_.clear();
  std::array<epoll_event, 256> events;
  const timespec wait = absl::ToTimespec(max_wait);
  const int count =
      epoll_pwait2(epoll_.get(), events.data(), events.size(), &wait, nullptr);
  for (int i = 0; i < count; ++i) {
    const int fd = events[i].data.fd;
    const auto listener =
        std::find_if(listeners_.begin(), listeners_.end(),
                     [fd](const auto& each) { return each.first.get() == fd; });
    if (listener != listeners_.end()) {
      for (;;) {
        UniqueFd accepted(
            accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
        if (!accepted.valid()) break;
        Add(Accepted(std::move(accepted), listener->second));
      }
      continue;
    }
    Watched* const watched = channels_[static_cast<size_t>(fd)].get();
    if (watched == nullptr) continue;
    Channel& channel = *watched->channel;
    if (!channel.Read(on_message_)) {
      if (on_end) on_end(channel);
      removed_.push_back(fd);
      continue;
    }
    if (!watched->ready && channel.ready()) {
      watched->ready = true;
      if (on_ready) on_ready(channel);
    }
    touched_.push_back(watched);
  }
}

}  // namespace sallyport::signaling_edge
