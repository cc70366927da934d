"""A small client app: reads handwritten digits with the champion, logs every answer, posts what its users say."""
