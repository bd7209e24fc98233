// Tapedeck's side of the messages to tapedeck-transcoder.
#pragma once
#include "../Transcoder/protocol.h"

#include <spawn.h>
#include <string.h>
#include <sys/socket.h>

enum { MAX_REQUEST_DESCRIPTORS = 3 };

/// Of the C library, which declares it for C with GNU extensions only.
int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *actions, int first);

/// Sends a request with descriptors, without waiting; returns -1 when that is not possible, with the reason in `errno`.
static inline ssize_t send_request(int socket, const struct request *request, const int *descriptors, size_t count) {
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(MAX_REQUEST_DESCRIPTORS * sizeof(int))];
  } control = {.header = {
    .cmsg_len = CMSG_LEN(count * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
  memcpy(CMSG_DATA(&control.header), descriptors, count * sizeof(int));
  struct iovec space = {.iov_base = (void *)request, .iov_len = sizeof *request};
  struct msghdr message = {.msg_iov = &space, .msg_iovlen = 1};
  if (count > 0) message.msg_control = control.bytes, message.msg_controllen = CMSG_SPACE(count * sizeof(int));
  return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}
