import type { Decide } from '../../kernel/domain.ts'
import { reject } from '../../kernel/rejection.ts'
import contract from '../contract.ts'
import type state from '../state.ts'

export const images: Pick<Decide<typeof state>, 'RegisterImage' | 'UpdateImage' | 'DeleteImage'> = {
  RegisterImage: (request, context) => {
    if (request.kind === 'direct-kernel' && request.kernel === '')
      reject('INVALID_ARGUMENT', 'kernel: an image of kind direct-kernel needs one', { field: 'kernel' })
    const uid = context.uid()
    context.emit('ImageRegistered', { uid, ...request })
    return { uid }
  },
  UpdateImage: ({ name, ...changes }, context) => {
    const { uid } = context.target('image', '', name)
    context.emit('ImageUpdated', { uid, ...changes })
    return { uid }
  },
  DeleteImage: ({ name }, context) => {
    const { uid } = context.target('image', '', name)
    context.remove(contract, 'image', uid)
    return { uid }
  },
}
